package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"

	"walcast/diagnose/explain"
)

// Explain answers a question about the database, within a time of its own. A
// *explain.QuestionError says what is wrong with the question, any other error why the
// database could not be looked at.
type Explain func(context.Context, explain.Question) (explain.Answer, error)

// questionMost is the largest question in bytes.
const questionMost = 4 << 20

var tooManyQuestions = message(http.StatusTooManyRequests, "Too Many Requests: another question is being answered, wait for its end")

// explanations answers /api/explain, one request at a time: each asks Postgres much.
type explanations struct {
	explain Explain
	turn    turn
}

func newExplanations(e Explain) *explanations { return &explanations{explain: e, turn: newTurn()} }

// answer answers with an explain.Answer. A GET has the question in its parameters, a POST in
// its body, where alone a token may be: addresses are logged. It is for servers: it tells of
// policies and rows.
func (e *explanations) answer(w http.ResponseWriter, r *http.Request) { e.tell(w, r).write(w) }

func (e *explanations) tell(w http.ResponseWriter, r *http.Request) response {
	question, refused := readQuestion(w, r)
	if refused != nil {
		return *refused
	}
	if !e.turn.take() {
		return tooManyQuestions
	}
	defer e.turn.giveBack()
	answer, err := e.explain(r.Context(), question)
	var wrong *explain.QuestionError
	switch {
	case errors.As(err, &wrong):
		return message(http.StatusBadRequest, "Bad Request: "+wrong.Error())
	case err != nil:
		return message(http.StatusServiceUnavailable, "Service Unavailable: "+err.Error())
	}
	return jsonResponse(http.StatusOK, answer)
}

func readQuestion(w http.ResponseWriter, r *http.Request) (q explain.Question, refused *response) {
	bad := func(text string) *response {
		answer := message(http.StatusBadRequest, "Bad Request: "+text)
		return &answer
	}
	if r.Method != http.MethodPost {
		q, err := questionOf(r.URL.Query())
		if err != nil {
			return q, bad(err.Error())
		}
		return q, nil
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, questionMost))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return q, &tooLarge
	case err != nil:
		return q, bad("the body was cut off")
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	if decoder.Decode(&q) != nil || decoder.More() {
		return q, bad(`want an object such as {"table": "public.orders", "role": "anon", "row": {"id": 5}}`)
	}
	return q, nil
}

// questionOf reads the parameters of a GET. key=column=value may be repeated.
func questionOf(query url.Values) (q explain.Question, err error) {
	if query.Has("token") {
		return q, errors.New("a token is taken in the body of a POST only, as addresses are logged")
	}
	q = explain.Question{
		Table: last(query, "table"), Event: last(query, "event"), Filter: last(query, "filter"), Role: last(query, "role"),
		Claims: json.RawMessage(last(query, "claims")), Action: last(query, "action"), Row: json.RawMessage(last(query, "row")),
	}
	if text := last(query, "select"); text != "" {
		q.Select = strings.Split(text, ",")
	}
	if len(query["key"]) == 0 {
		return q, nil
	}
	key := map[string]string{}
	for _, pair := range query["key"] {
		name, value, ok := strings.Cut(pair, "=")
		if !ok || name == "" {
			return q, errors.New("key: want column=value")
		}
		key[name] = value
	}
	q.Key, _ = json.Marshal(key) // texts always encode
	return q, nil
}
