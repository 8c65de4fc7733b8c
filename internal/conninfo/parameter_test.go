package conninfo

import (
	"strings"
	"testing"
)

// TestParseNamesTheParameterThatItDoesNotTake, what it may be, and no more of the URL.
func TestParseNamesTheParameterThatItDoesNotTake(t *testing.T) {
	const secret = "s3cret"
	for _, c := range []struct{ parameter, name string }{
		{"connect_timeout=abc", "connect_timeout"},
		{"connect_timeout=-1", "connect_timeout"},
		{"connect_timeout=10s", "connect_timeout"},
		{"connect_timeout=4000000000", "connect_timeout"},
		{"port=abc", "port"},
		{"port=0", "port"},
		{"port=1,2,3", "port"},
		{"sslmode=always", "sslmode"},
		{"sslcertmode=maybe", "sslcertmode"},
		{"sslnegotiation=fast", "sslnegotiation"},
		{"target_session_attrs=any-node", "target_session_attrs"},
		{"target_session_attrs=connect_timeout", "target_session_attrs"},
		{"channel_binding=on", "channel_binding"},
		{"require_auth=magic", "require_auth"},
		{"min_protocol_version=2", "min_protocol_version"},
		{"min_protocol_version=3.2&max_protocol_version=3.0", "min_protocol_version"},
		{"max_protocol_version=4", "max_protocol_version"},
		{"service=nowhere&servicefile=/nowhere", "service"},
		{"pool_max_conns=abc", "pool_max_conns"},
		{"pool_max_conns=0", "pool_max_conns"},
		{"pool_min_conns=few", "pool_min_conns"},
		{"pool_min_conns=-1", "pool_min_conns"},
		{"pool_min_idle_conns=x", "pool_min_idle_conns"},
		{"pool_max_conn_lifetime=60", "pool_max_conn_lifetime"},
		{"pool_max_conn_lifetime=-1s", "pool_max_conn_lifetime"},
		{"pool_max_conn_idle_time=x", "pool_max_conn_idle_time"},
		{"pool_max_conn_lifetime_jitter=x", "pool_max_conn_lifetime_jitter"},
		{"pool_health_check_period=0s", "pool_health_check_period"},
		{"pool_ping_timeout=x", "pool_ping_timeout"},
		{"statement_cache_capacity=lots", "statement_cache_capacity"},
		{"statement_cache_capacity=0", "statement_cache_capacity"},
		{"description_cache_capacity=lots", "description_cache_capacity"},
		{"description_cache_capacity=0&default_query_exec_mode=cache_describe", "description_cache_capacity"},
		{"default_query_exec_mode=fast", "default_query_exec_mode"},
	} {
		want := c.name + ": want " + allowed[c.name]
		pairs := strings.ReplaceAll(c.parameter, "&", " ")
		for _, url := range []string{
			"postgres://app:" + secret + "@db/app?" + c.parameter, "host=db user=app password=" + secret + " " + pairs,
		} {
			_, err := Parse(url)
			if err == nil || err.Error() != want {
				t.Errorf("Parse(%s) = %v; want %s", url, err, want)
			}
		}
	}
	for _, url := range []string{
		"postgres://app@db/app?connect_timeout=0", "postgres://app@db/app?statement_cache_capacity=0&default_query_exec_mode=exec",
		"postgres://app@db/app?sslnegotiation=direct&sslmode=require", "postgres://app@db,other/app?port=1,2",
	} {
		if _, err := Parse(url); err != nil {
			t.Errorf("Parse(%s): %v", url, err)
		}
	}
}

// TestParseNamesAParameterThatNoneCanRead, of a URL alone.
func TestParseNamesAParameterThatNoneCanRead(t *testing.T) {
	const inItsPlace = ": want sslmode in its place, and sslrootcert for a file of certificates"
	for parameter, want := range map[string]string{
		"ssl[ca]=/ca.pem":                     "ssl[ca]" + inItsPlace,
		"ssl%5BrejectUnauthorized%5D=false":   "ssl[rejectUnauthorized]" + inItsPlace,
		"sslmode":                             "sslmode: want disable, allow, prefer, require, verify-ca or verify-full",
		"work_mem":                            "work_mem: want a value, as in work_mem=…",
		"schema=100%":                         "schema: want a value whose special characters are percent-encoded, % as %25",
		"application_name=%zz&sslmode=prefer": "application_name: want a value whose special characters are percent-encoded, % as %25",
	} {
		if _, err := Parse("postgres://app:s3cret@db/app?" + parameter); err == nil || err.Error() != want {
			t.Errorf("Parse with %s = %v; want %s", parameter, err, want)
		}
	}
}

// TestAParameterThatIsNotKnownIsNotNamed: what stands in its place may be a piece of a
// password.
func TestAParameterThatIsNotKnownIsNotNamed(t *testing.T) {
	for _, url := range []string{"postgres://app:s3cret@db:invalid port/app", "postgres://app:s%zzcret@db/app", "host=db password='s3cret", "postgres://app:s3:cret@db:pool_max_conns/app", "postgres://app:s3/?cret&x@db/app", "postgres://app:s3/?cret=%zz&x@db/app"} {
		_, err := Parse(url)
		if err == nil || strings.Contains(err.Error(), "cret") || strings.Contains(err.Error(), "zz") {
			t.Errorf("Parse(%s) = %v; want an error without a piece of it", url, err)
		}
	}
}
