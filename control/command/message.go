package command

import (
	"context"
	"encoding/base64"

	"parlor/session/terms"
)

// SendMessageRequest sends a custom message, as the server.
type SendMessageRequest struct {
	RoomRef
	UserIDs    []string `json:"UserIds,omitempty" jsonschema:"to whom, 1–10; without it to all in the room"`
	CmdID      int      `json:"CmdId" jsonschema:"1–10, which of the application's kinds"`
	Data       *string  `json:"Data,omitempty" jsonschema:"the payload in base64, at most 1000 bytes of it; exactly one of Data and Text is given"`
	Text       *string  `json:"Text,omitempty" jsonschema:"the payload as text, at most 1000 bytes in UTF-8"`
	Unreliable bool     `json:"Unreliable,omitempty" jsonschema:"rather lost than late"`
}

// SendMessageResponse tells how many users the message reached.
type SendMessageResponse struct {
	Delivered int `json:"Delivered" jsonschema:"users to whom it was handed, or for whom it is kept until they are connected again"`
	Missed    int `json:"Missed" jsonschema:"of those meant: not in the room, without a way to be reached, or not keeping up"`
}

// payload returns the bytes of the message, and the field that has them.
func (q SendMessageRequest) payload() (data []byte, field string, err error) {
	switch {
	case q.Data != nil && q.Text != nil:
		return nil, "", bad("Text", "only one of Data and Text can be given")
	case q.Text != nil:
		return []byte(*q.Text), "Text", nil
	case q.Data == nil:
		return nil, "", bad("Data", "the payload is missing: Data (base64) or Text")
	}
	data, err = base64.StdEncoding.DecodeString(*q.Data)
	if err != nil {
		return nil, "", bad("Data", "not in base64 (with + and /, padded)")
	}
	return data, "Data", nil
}

func sendMessage(c *Commands, q SendMessageRequest) (j job[SendMessageResponse], err error) {
	if j.room, err = q.room(false); err != nil {
		return j, err
	}
	data, field, err := q.payload()
	if err != nil {
		return j, err
	}
	m := terms.Message{CmdID: q.CmdID, Data: data, Reliable: !q.Unreliable}
	j.here = func(ctx context.Context) (SendMessageResponse, error) {
		delivered, missed, err := c.o.Rooms.SendMessage(ctx, j.room, q.UserIDs, m)
		if err != nil && terms.AsError(err).Field == "data" {
			return SendMessageResponse{}, inField(field, err)
		}
		return SendMessageResponse{Delivered: delivered, Missed: missed}, named(err, q.RoomRef)
	}
	return j, nil
}
