package command

import (
	"encoding/json"
	"strconv"

	"parlor/session/terms"
)

// Shorten returns a request for a shorter page of the same list. bytes is the size of the answer that was too
// large, most what its door can carry. ok is false if the command has no pages, or one entry alone is too
// much.
func Shorten(a Action, request []byte, bytes, most int) (shorter []byte, ok bool) {
	s, known := specs[a]
	if !known || bytes <= most {
		return nil, false
	}
	if _, pages := s.Request.FieldByName("Limit"); !pages {
		return nil, false
	}
	q := map[string]json.RawMessage{}
	if len(request) > 0 && json.Unmarshal(request, &q) != nil {
		return nil, false
	}
	limit := 0
	if given, there := q["Limit"]; there && json.Unmarshal(given, &limit) != nil {
		return nil, false
	}
	if limit == 0 {
		limit = terms.DefaultPage
	}
	// A tenth less than the share, as entries differ in size; at most half, so that a few steps do.
	less := min(int(int64(limit)*int64(most)/int64(bytes)*9/10), limit/2)
	if less < 1 {
		if limit == 1 {
			return nil, false
		}
		less = 1
	}
	q["Limit"] = json.RawMessage(strconv.Itoa(less))
	shorter, err := json.Marshal(q)
	return shorter, err == nil
}

// Repeatable reports whether a command may be carried out twice although it was given once. Then it does the
// same; but a message would come twice.
func (a Action) Repeatable() bool { return a != SendMessage }
