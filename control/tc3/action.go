package tc3

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"slices"

	"parlor/control/command"
	"parlor/session/terms"
)

// action is one that is a command here.
type action struct {
	command command.Action
	fields  []string // of the request, besides SdkAppId; all are needed
}

// actions are those that are here.
var actions = map[string]action{
	"RemoveUser":                {command.RemoveUser, []string{"RoomId", "UserIds"}},
	"RemoveUserByStrRoomId":     {command.RemoveUserByStrRoomID, []string{"RoomId", "UserIds"}},
	"DismissRoom":               {command.DismissRoom, []string{"RoomId"}},
	"DismissRoomByStrRoomId":    {command.DismissRoomByStrRoomID, []string{"RoomId"}},
	"SetUserBlocked":            {command.SetUserBlocked, []string{"RoomId", "UserId", "IsMute"}},
	"SetUserBlockedByStrRoomId": {command.SetUserBlocked, []string{"StrRoomId", "UserId", "IsMute"}},
}

// elsewhere are actions of that API that no command is like.
var elsewhere = set(
	"CreateCloudRecording", "DescribeCloudRecording", "ModifyCloudRecording", "DeleteCloudRecording",
	"StartPublishCdnStream", "UpdatePublishCdnStream", "StopPublishCdnStream", "StartStreamIngest", "StopStreamIngest", "DescribeStreamIngest",
	"StartMCUMixTranscode", "StopMCUMixTranscode", "StartMCUMixTranscodeByStrRoomId", "StopMCUMixTranscodeByStrRoomId",
	"DescribeRoomInfo", "DescribeUserInfo", "DescribeUserEvent", "DescribeCallDetailInfo", "DescribeScaleInfo", "DescribeRoomInformation",
	"DescribeUserInformation", "DescribeTrtcUsage", "DescribeTrtcRoomUsage", "DescribeRecordingUsage", "DescribeMixTranscodingUsage", "DescribeRelayUsage",
)

func set(names ...string) map[string]bool {
	m := make(map[string]bool, len(names))
	for _, name := range names {
		m[name] = true
	}
	return m
}

// translate makes the request of a command out of one of that API.
func (a action) translate(body []byte, application func(uint32) bool) ([]byte, *failure) {
	given, f := object(body)
	if f != nil {
		return nil, f
	}
	if f := a.check(given); f != nil {
		return nil, f
	}
	var app uint32
	if err := json.Unmarshal(given["SdkAppId"], &app); err != nil {
		return nil, inField("InvalidParameter", "SdkAppId", "it is no number of an application")
	}
	if !application(app) {
		return nil, inField("UnauthorizedOperation", "SdkAppId", "there is no application %d here", app)
	}
	delete(given, "SdkAppId")
	if block, muting := given["IsMute"]; muting {
		if f := mute(given, block); f != nil {
			return nil, f
		}
	}
	request, err := json.Marshal(given)
	if err != nil { // never: its values came as JSON
		return nil, fail("InternalError", "the request cannot be handed on")
	}
	return request, nil
}

// check looks for fields that are missing, or too many.
func (a action) check(given map[string]json.RawMessage) *failure {
	for _, name := range slices.Concat([]string{"SdkAppId"}, a.fields) {
		if v, ok := given[name]; !ok || string(v) == "null" {
			return inField("MissingParameter", name, "it is missing")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if name != "SdkAppId" && !slices.Contains(a.fields, name) {
			return fail("UnknownParameter", "there is no parameter %.64q", name)
		}
	}
	return nil
}

// mute puts Block in the place of IsMute: 1 blocks sound and pictures, 0 lets both flow again.
func mute(given map[string]json.RawMessage, block json.RawMessage) *failure {
	to, ok := map[string]terms.Block{"0": terms.BlockNone, "1": terms.BlockBoth}[string(block)]
	if !ok {
		return inField("InvalidParameter", "IsMute", "it is 0 or 1")
	}
	delete(given, "IsMute")
	given["Block"], _ = json.Marshal(to) // one of two values, which marshal
	return nil
}

// object reads a JSON object of which no field is given twice.
func object(body []byte) (map[string]json.RawMessage, *failure) {
	d := json.NewDecoder(bytes.NewReader(body))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, fail("InvalidRequest", "the request is no JSON object")
	}
	given := map[string]json.RawMessage{}
	for d.More() {
		key, err := d.Token()
		name, _ := key.(string)
		var value json.RawMessage
		if err == nil {
			err = d.Decode(&value)
		}
		if err != nil {
			return nil, fail("InvalidRequest", "malformed or truncated JSON")
		}
		if _, twice := given[name]; twice {
			return nil, fail("InvalidParameter", "%.64q is given twice", name)
		}
		given[name] = value
	}
	if _, err := d.Token(); err != nil {
		return nil, fail("InvalidRequest", "malformed or truncated JSON")
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, fail("InvalidRequest", "something follows the JSON object")
	}
	return given, nil
}
