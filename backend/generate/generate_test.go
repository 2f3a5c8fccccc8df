package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestPackagesAreAsTheNodeIs: every command, field, event, reason and right of a node is in each package, and
// nothing else.
func TestPackagesAreAsTheNodeIs(t *testing.T) {
	read := func(path string) ([]byte, error) { return os.ReadFile(filepath.Join("..", "..", path)) }
	files, err := generate(read)
	require.NoError(t, err)
	for path, want := range files {
		got, err := read(path)
		require.NoError(t, err)
		require.Equal(t, string(want), string(got), "%s is not as the node is: go run ./backend/generate, and complete what is written by hand beside it", path)
	}
}

// TestModelRefusesWhatItDoesNotKnow, so that nothing is left out silently.
func TestModelRefusesWhatItDoesNotKnow(t *testing.T) {
	object := func(fields string) string {
		return `{"type":"object","title":"T","properties":{` + fields + `}}`
	}
	document := func(request string) []byte {
		return []byte(`{"paths":{"/admin/v1/Do":{"post":{"requestBody":{"content":{"application/json":{"schema":` + request + `}}},
			"responses":{"200":{"content":{"application/json":{"schema":{"type":"object","title":"A","properties":{}}}}}}}}}}`)
	}
	m, err := readModel(document(object(`"B":{"type":"string"},"A":{"type":"array","items":{"type":"integer"}}`)))
	require.NoError(t, err)
	require.Equal(t, "B", m.objects[0].fields[0].name, "as they are written")
	for _, request := range []string{
		`{"type":"string"}`, `{"type":"object","properties":{}}`, object(`"X":{"type":"null"}`), object(`"X":{"type":"array","items":{}}`),
		object(`"X":{"type":"object","title":"T","properties":{}},"Y":{"type":"object","title":"T","properties":{"Z":{"type":"string"}}}`),
	} {
		_, err := readModel(document(request))
		require.Error(t, err, request)
	}
	_, err = readModel([]byte(`{"paths":{"/other":{}}}`))
	require.Error(t, err)
	require.Error(t, json.Unmarshal([]byte(`[]`), new(pairs)))
	_, err = splice([]byte("nothing"), nil)
	require.ErrorContains(t, err, strings.TrimSpace(begin))
}

func TestNames(t *testing.T) {
	for name, want := range map[string]string{
		"RemoveUserByStrRoomId": "RemoveUserByStrRoomID remove_user_by_str_room_id", "UserIds": "UserIDs user_ids", "user-left": "UserLeft user_left",
		"send_audio": "SendAudio send_audio", "timeMs": "TimeMS time_ms", "id": "ID id", "Cpu": "CPU cpu",
	} {
		require.Equal(t, want, goName(name)+" "+snake(name))
	}
}
