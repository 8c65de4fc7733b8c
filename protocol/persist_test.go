package protocol

import (
	"errors"
	"net/url"
	"testing"
	"time"
)

func TestWhatASenderAsksToBeKept(t *testing.T) {
	const most = Persist(72 * time.Hour)
	for metadata, want := range map[string]Persist{
		``: 0, `{}`: 0, `{"other":true}`: 0, `{"persist":null}`: 0, `{"persist":false}`: 0, `{"persist":"false"}`: 0,
		`{"persist":true}`: most, `{"persist":"true"}`: most, `{"persist":{}}`: most, `{"persist":{"ttl":null}}`: most,
		`{"persist":{"ttl":60}}`: Persist(time.Minute), `{"persist":{"ttl":"60"}}`: Persist(time.Minute), `{"persist":{"ttl":259200}}`: most,
	} {
		if got, err := (Message{Metadata: []byte(metadata)}).Persist(); got != want || err != nil {
			t.Errorf("%s = %v, %v; want %v", metadata, got, err, want)
		}
	}
	for _, metadata := range []string{
		`{"persist":1}`, `{"persist":"yes"}`, `{"persist":[]}`, `{"persist":{"ttl":0}}`, `{"persist":{"ttl":-1}}`, `{"persist":{"ttl":1.5}}`,
		`{"persist":{"ttl":259201}}`, `{"persist":{"ttl":true}}`, `{"persist":{"ttl":"1m"}}`,
	} {
		if got, err := (Message{Metadata: []byte(metadata)}).Persist(); !errors.Is(err, RefusePersistTTL) {
			t.Errorf("%s = %v, %v; want it refused", metadata, got, err)
		}
	}
}

func TestWhatAQueryAsksToBeKept(t *testing.T) {
	for query, want := range map[string]Persist{
		"": 0, "private=true": 0, "persist=false": 0, "persist=true": Persist(72 * time.Hour), "persist[ttl]=60": Persist(time.Minute), "persist%5Bttl%5D=60": Persist(time.Minute),
	} {
		values, err := url.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := PersistOf(values); got != want || err != nil {
			t.Errorf("%s = %v, %v; want %v", query, got, err, want)
		}
	}
	for _, query := range []url.Values{{"persist": {"1"}}, {"persist": {""}}, {"persist[ttl]": {"x"}}, {"persist[ttl]": {"999999"}}} {
		if got, err := PersistOf(query); !errors.Is(err, RefusePersistTTL) {
			t.Errorf("%v = %v, %v; want it refused", query, got, err)
		}
	}
}

func TestAcknowledgementsNameTheirRefusal(t *testing.T) {
	for want, refusal := range map[string]error{
		`{"reason":"payload_size_exceeded","error":"payload_size_exceeded"}`:                     RefusePayloadTooLarge,
		`{"reason":"Broadcast payload must be a map","error":"invalid_payload"}`:                 RefusePayloadNotMap,
		`{"reason":"` + RefuseWrite("room").Error() + `","error":"unauthorized"}`:                RefuseWrite("room"),
		`{"reason":"` + RefuseWrite("room").Error() + `","error":"rls_policy_error"}`:            Named{RefuseWrite("room"), "rls_policy_error"},
		`{"reason":"` + RefuseDatabaseAway.Error() + `","error":"unable_to_connect_to_project"}`: RefuseDatabaseAway,
		`{"reason":"` + RefuseMissingPartition.Error() + `","error":"missing_partition"}`:        RefuseMissingPartition,
		`{"reason":"` + RefuseTooManyMessages.Error() + `","error":"too_many_messages"}`:         RefuseTooManyMessages,
		`{"reason":"` + RefusePersistTTL.Error() + `","error":"invalid_persist_ttl"}`:            RefusePersistTTL,
	} {
		if got := string(Unacknowledged(refusal)); got != want {
			t.Errorf("Unacknowledged(%v) = %s; want %s", refusal, got, want)
		}
	}
	if got, want := string(Acknowledged("7")), `{"id":"7"}`; got != want {
		t.Errorf("Acknowledged = %s; want %s", got, want)
	}
}
