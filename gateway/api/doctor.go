package api

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"walcast/diagnose"
	"walcast/diagnose/doctor"
	"walcast/protocol"
	"walcast/replication/catalog"
)

// Doctor examines the database, within a time of its own. An error means that it could
// not be looked at.
type Doctor func(context.Context, doctor.Scope) (doctor.Report, error)

// scopeMost is how many tables, and how many roles, a request may name.
const scopeMost = 100

var tooManyExaminations = message(http.StatusTooManyRequests, "Too Many Requests: an examination is under way, wait for its end")

// examinations answers GET /api/doctor, one request at a time: each asks Postgres much.
type examinations struct {
	doctor Doctor
	turn   turn
}

func newExaminations(d Doctor) *examinations { return &examinations{doctor: d, turn: newTurn()} }

// get answers with a doctor.Report. ?table=schema.table and ?role=name, which may be
// repeated, narrow it. It is for servers: it names tables, roles and policies.
func (e *examinations) get(w http.ResponseWriter, r *http.Request) { e.examine(r).write(w) }

func (e *examinations) examine(r *http.Request) response {
	scope, err := readScope(r.URL.Query())
	if err != nil {
		return message(http.StatusBadRequest, "Bad Request: "+err.Error())
	}
	if !e.turn.take() {
		return tooManyExaminations
	}
	defer e.turn.giveBack()
	report, err := e.doctor(r.Context(), scope)
	if err != nil {
		return message(http.StatusServiceUnavailable, "Service Unavailable: "+err.Error())
	}
	return jsonResponse(http.StatusOK, report)
}

// readScope reads the parameters of a request.
func readScope(query url.Values) (s doctor.Scope, err error) {
	if len(query["table"]) > scopeMost || len(query["role"]) > scopeMost {
		return s, errors.New("want at most 100 tables and 100 roles")
	}
	for _, text := range query["table"] {
		var name catalog.TableName
		if name, err = diagnose.ParseTable(text); err != nil {
			return s, err
		}
		s.Tables = append(s.Tables, name)
	}
	for _, role := range query["role"] {
		if role == "" || len(role) > protocol.MaxIdentifier || !protocol.IsName(role) {
			return s, errors.New("want the name of a role")
		}
		s.Roles = append(s.Roles, role)
	}
	return s, nil
}
