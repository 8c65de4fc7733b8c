package api

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"walcast/diagnose/doctor"
	"walcast/replication"
	"walcast/replication/catalog"
)

// serveDoctor is serve with a doctor.
func serveDoctor(t *testing.T, d Doctor, status replication.Status) *httptest.Server {
	t.Helper()
	return serveWith(t, Config{}, &fakeGateway{}, status, func(p *Parts) { p.Doctor = d })
}

func TestDoctorAnswersTheServiceRoleAlone(t *testing.T) {
	asked := 0
	s := serveDoctor(t, func(context.Context, doctor.Scope) (doctor.Report, error) {
		asked++
		return doctor.Report{Database: "app", Version: "17.6", Findings: []doctor.Finding{{
			Code: "wal_level", Verdict: doctor.Problem, About: doctor.About{Kind: doctor.Setting, Name: "wal_level"}, Reason: "wal_level is replica", Fix: "ALTER SYSTEM SET wal_level = 'logical';", Restart: true,
		}}}, nil
	}, replication.Status{})
	const report = `{"database":"app","version":"17.6","findings":[{"code":"wal_level","verdict":"problem","about":{"kind":"setting","name":"wal_level"},` +
		`"reason":"wal_level is replica","fix":"ALTER SYSTEM SET wal_level = 'logical';","restart":true}]}`
	for _, c := range []struct {
		token, path, want string
		status            int
	}{
		{"", "/api/doctor", `{"message":"Unauthorized"}`, http.StatusUnauthorized},
		{sign(t, "authenticated"), "/api/doctor", `{"message":"Forbidden: what is wrong with the database is told to the role service_role only"}`, http.StatusForbidden},
		{sign(t, "service_role"), "/api/doctor", report, http.StatusOK},
		{sign(t, "service_role"), "/realtime/v1/api/doctor", report, http.StatusOK},
		{sign(t, "service_role"), "/api/doctor?table=", `{"message":"Bad Request: want a table as schema.table, got \"\""}`, http.StatusBadRequest},
		{sign(t, "service_role"), "/api/doctor?role=", `{"message":"Bad Request: want the name of a role"}`, http.StatusBadRequest},
		{sign(t, "service_role"), "/api/doctor?role=" + strings.Repeat("a&role=", 100) + "a", `{"message":"Bad Request: want at most 100 tables and 100 roles"}`, http.StatusBadRequest},
	} {
		headers := map[string]string{}
		if c.token != "" {
			headers["Authorization"] = "Bearer " + c.token
		}
		if status, _, body := ask(t, s, http.MethodGet, c.path, headers); status != c.status || body != c.want {
			t.Errorf("GET %s answers %d with %s; want %d with %s", c.path, status, body, c.status, c.want)
		}
	}
	if asked != 2 {
		t.Errorf("the database was examined %d times; want 2", asked)
	}
}

func TestDoctorIsNarrowed(t *testing.T) {
	var got doctor.Scope
	s := serveDoctor(t, func(_ context.Context, s doctor.Scope) (doctor.Report, error) {
		got = s
		return doctor.Report{}, errors.New("examine the database: not done in time")
	}, replication.Status{})
	status, _, body := ask(t, s, http.MethodGet, "/api/doctor?table=app.Orders&table=todos&role=anon&role=member", map[string]string{"Authorization": "Bearer " + sign(t, "service_role")})
	want := doctor.Scope{Tables: []catalog.TableName{{Schema: "app", Table: "Orders"}, {Schema: "public", Table: "todos"}}, Roles: []string{"anon", "member"}}
	if diff := cmp.Diff(want, got); diff != "" || status != http.StatusServiceUnavailable || body != `{"message":"Service Unavailable: examine the database: not done in time"}` {
		t.Errorf("it answers %d with %s; the scope (-want +got):\n%s", status, body, diff)
	}
}

// TestDoctorExaminesOnceAtATime: who comes meanwhile is told to wait, and may come again.
func TestDoctorExaminesOnceAtATime(t *testing.T) {
	begun, end := make(chan struct{}), make(chan struct{})
	s := serveDoctor(t, func(context.Context, doctor.Scope) (doctor.Report, error) {
		begun <- struct{}{}
		<-end
		return doctor.Report{}, nil
	}, replication.Status{})
	headers := map[string]string{"Authorization": "Bearer " + sign(t, "service_role")}
	first := make(chan int, 1)
	go func() {
		status, _, _ := ask(t, s, http.MethodGet, "/api/doctor", headers)
		first <- status
	}()
	<-begun
	if status, _, body := ask(t, s, http.MethodGet, "/api/doctor", headers); status != http.StatusTooManyRequests || !strings.Contains(body, "an examination is under way") {
		t.Errorf("a second request is answered %d with %s", status, body)
	}
	close(end)
	if status := <-first; status != http.StatusOK {
		t.Errorf("the first request is answered %d", status)
	}
	go func() { <-begun }()
	if status, _, _ := ask(t, s, http.MethodGet, "/api/doctor", headers); status != http.StatusOK {
		t.Errorf("a request after it is answered %d", status)
	}
}

func TestAStandbyExaminesNothing(t *testing.T) {
	s := serveDoctor(t, nil, replication.Status{Role: replication.RoleStandby})
	status, _, body := ask(t, s, http.MethodGet, "/api/doctor", map[string]string{"Authorization": "Bearer " + sign(t, "service_role")})
	if status != http.StatusServiceUnavailable || !strings.Contains(body, "stands by") {
		t.Errorf("it answers %d with %s", status, body)
	}
}
