// Package conformance checks a server by the letter of RFC 9725 (WHIP) and draft-ietf-wish-whep (WHEP), with
// plain HTTP and one named subtest per rule. It opens no media connection, so that it can be run against any
// server:
//
//	go test ./session/whip/conformance                   a node in this process
//	… -args --url https://sfu.example.org                its /whip/conformance and /whep/conformance
//	… -args --whip https://… --whep https://… --token …  any two endpoints
//
// A name such as TestWHIP/4.3.3_ICE_restarts/wildcard says which section of RFC 9725 asks for what is
// checked. The same sections of the WHEP draft ask the same of WHEP. For a rule that is a SHOULD or a MAY,
// the check is that a server that does otherwise says so as the document wants it. Without --token the checks
// of section 4.7 are left out for a server elsewhere.
//
//	main_test.go    flags, the node in this process
//	server_test.go  requests and answers
//	offer_test.go   the offers
//	http_test.go    4.1, 4.2, 4.5–4.7: methods, set-up, termination, CORS, redirects, tokens
//	ice_test.go     4.3: PATCH
//	media_test.go   4.4, 4.8: what is asked of the SDP
package conformance
