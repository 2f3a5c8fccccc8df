"""What a back end needs of Parlor: tokens for users, commands to nodes, and the check of webhooks.

It needs Python 3.11 or later, and nothing but the standard library. This file is all of it: copy it.
"""

from __future__ import annotations

import base64
import enum
import hashlib
import hmac
import http.client
import json
import math
import time
import urllib.error
import urllib.request
from typing import Any, Iterable, Literal, NotRequired, TypedDict

# The least length of a secret in bytes.
MIN_SECRET = 32
# How far the time of a webhook's signature may be from now, in seconds. Remember the ids of events for as long:
# then nobody can send one again.
WEBHOOK_TOLERANCE = 300
# The header with the signature of a webhook.
SIGNATURE_HEADER = "Parlor-Signature"
# The code of a ParlorError if no node has answered. It cannot be told then whether the command was carried out.
UNREACHABLE = "unreachable"
# The size of the largest answer in bytes.
MAX_ANSWER = 16 << 20


class ParlorError(Exception):
    """What a command, a key or a webhook fails with.

    code is a stable name, such as room_not_found; docs/protocol.md has all. field is the field of the request that
    is at fault, "" if there is none. status is that of HTTP, 0 if there was no answer. retry_after is in seconds, 0
    if the node does not say.
    """

    def __init__(self, code: str, message: str, field: str = "", status: int = 0, retry_after: int = 0) -> None:
        super().__init__(message)
        self.code, self.message, self.field, self.status, self.retry_after = code, message, field, status, retry_after


# --- made by backend/generate: do not change it here


class DescribeHistoryRequest(TypedDict):
    # the node's name; without it all nodes
    NodeId: NotRequired[str]
    # only points that are later, in Unix time
    AfterMs: NotRequired[int]


class HistoryPoint(TypedDict):
    # Unix time
    TimeMs: int
    # of the cores that the process may use, 0–1
    Cpu: float
    # resident
    MemoryBytes: int
    Rooms: int
    Participants: int
    Publishers: int
    PacketsInPerSecond: float
    PacketsOutPerSecond: float
    BitsInPerSecond: float
    BitsOutPerSecond: float
    # packets that users should have got to the node
    ExpectedUp: int
    # of them, those that were lost, before repair
    LostUp: int
    # packets to users of which they have reported
    ExpectedDown: int
    # of them, those that were lost, before repair
    LostDown: int
    # users by quality, 0 unknown to 6 down, in the worse of both directions
    Qualities: list[int]
    # enterings by result, as of the metric parlor_joins_total
    Joins: NotRequired[dict[str, int]]
    # ends of sessions by reason, as of parlor_leaves_total
    Leaves: NotRequired[dict[str, int]]
    # packets of media dropped by reason, as of parlor_media_dropped_total
    Drops: NotRequired[dict[str, int]]
    # packets dropped on the wire by reason, as of parlor_transport_dropped_total
    WireDrops: NotRequired[dict[str, int]]


class History(TypedDict):
    Node: str
    # time from one point to the next
    EveryMs: int
    # oldest first
    Points: list[HistoryPoint]


class DescribeHistoryResponse(TypedDict):
    Nodes: list[History]
    # nodes that have not answered
    NodesMissing: NotRequired[list[str]]


class DescribeNodeRequest(TypedDict):
    # the node's name; without it all nodes
    NodeId: NotRequired[str]


class NodeInfo(TypedDict):
    Node: str
    Version: str
    # Unix time
    StartedMs: int
    Draining: bool
    # Unix time at which a draining node ends at the latest
    DrainEndsMs: NotRequired[int]
    Rooms: int
    Participants: int
    # users who publish something that is on
    Publishers: int
    # media connections
    Connections: int
    # of the cores that the process may use, 0–1, of late
    Cpu: float
    PacketsInPerSecond: float
    PacketsOutPerSecond: float
    BitsInPerSecond: float
    BitsOutPerSecond: float
    # packets that were not taken from the network, or not sent, of late
    DropsPerSecond: float
    # rooms that leave media out as they do not keep up
    RoomsOverloaded: int
    # resident
    MemoryBytes: int


class DescribeNodeResponse(TypedDict):
    Nodes: list[NodeInfo]
    # nodes that have not answered
    NodesMissing: NotRequired[list[str]]


class DescribeRoomRequest(TypedDict):
    # the room, where it has a number; exactly one of RoomId and StrRoomId is given
    RoomId: NotRequired[int]
    # the room, where it has a name; number 123 and name 123 are two rooms
    StrRoomId: NotRequired[str]
    # the Next of the page before
    After: NotRequired[str]
    # 1–1000, default 100
    Limit: NotRequired[int]


class Stream(TypedDict):
    # camera, screen, mic or screen-audio
    Source: str
    # false: muted, stopped or blocked
    On: bool
    Blocked: NotRequired[bool]
    Codec: NotRequired[str]
    # simulcast layers that bring packets at present
    Layers: int
    Packets: int
    Bytes: int
    # packets missing on the way to the node, repairs not counted; negative with duplicates
    Lost: int


class Received(TypedDict):
    Packets: int
    # of payload
    Bytes: int
    # packets sent again
    Resent: int
    # packets that it reports as missing
    Lost: int


class Undecodable(TypedDict):
    # whose stream
    UserId: str
    Source: str
    # codec and profile of the stream
    Codec: str
    # what the receiving client has in its place: its profile of that codec, or the names of its codecs
    Offered: str


class Paused(TypedDict):
    # whose picture
    UserId: str
    # camera or screen
    Source: str


class Network(TypedDict):
    # what keeps the user from larger pictures: none, delay, loss, publisher or application; unknown where
    # it is to be sent none
    LimitedBy: str
    # what it carries, as far as what is sent has shown; 0: not known
    EstimateKbps: int
    # for how long packets wait on the way
    QueueMs: float
    # how many earlier frames go with each packet of sound
    Red: int


class Way(TypedDict):
    # address and port of the client; missing: it is not connected
    Address: NotRequired[str]
    # udp, tcp, or turn for a relay, whose address it is then
    Protocol: NotRequired[str]


class Direction(TypedDict):
    # 0 unknown, 1 excellent, 2 good, 3 poor, 4 bad, 5 very bad, 6 down
    Quality: int
    # share of packets that were lost, 0–1, before repair; missing: not known
    Loss: NotRequired[float]


class User(TypedDict):
    UserId: str
    # what people call it; not unique
    Name: NotRequired[str]
    # of the application
    Metadata: NotRequired[str]
    # anchor, audience
    Role: Literal["anchor", "audience"]
    # enter, create, send_audio, recv_audio, send_video, recv_video, send_screen, recv_screen,
    # send_message, admin
    Rights: list[Literal[
        "enter", "create", "send_audio", "recv_audio", "send_video", "recv_video", "send_screen", "recv_screen", "send_message", "admin",
    ]]
    # none, both, audio or video
    Block: Literal["none", "both", "audio", "video"]
    # what it publishes
    Streams: list[Stream]
    # what was forwarded to it
    Received: Received
    # rounded up; 0: not known
    RttMs: int
    # Unix time
    SinceMs: int
    # Unix time of the last sign of life
    LastHeardMs: int
    Connected: bool
    # WHIP or WHEP
    MediaOnly: bool
    SessionId: str
    # streams of which nothing can be sent to the user, as its client has offered no codec that decodes
    # them
    Undecodable: NotRequired[list[Undecodable]]
    # pictures that its network does not carry at present
    Paused: NotRequired[list[Paused]]
    # the one to the user
    Network: Network
    # from which the user has entered, or resumed
    Address: NotRequired[str]
    # what its browser or program calls itself: at most 256 bytes that the client has chosen
    UserAgent: NotRequired[str]
    Media: Way
    # its network, towards the node
    Up: Direction
    # its network, from the node
    Down: Direction


class DescribeRoomResponse(TypedDict):
    # the room, where it has a number; exactly one of RoomId and StrRoomId is given
    RoomId: NotRequired[int]
    # the room, where it has a name; number 123 and name 123 are two rooms
    StrRoomId: NotRequired[str]
    # call, live
    Scene: Literal["call", "live"]
    # Unix time
    CreatedMs: int
    Users: int
    Anchors: int
    # the audience of a live room
    Viewers: int
    # users who publish something that is on
    Publishers: int
    # users whose network is poor or worse, in either direction
    Poor: int
    Node: str
    # what the room leaves out at the moment as it does not keep up: top_layer, layers, mid_quality,
    # low_quality, half, most or video
    Shedding: NotRequired[str]
    UserList: list[User]
    Next: NotRequired[str]
    # Unix time at which the counters were read
    TimeMs: int


class DescribeUserRequest(TypedDict):
    # the room, where it has a number; exactly one of RoomId and StrRoomId is given
    RoomId: NotRequired[int]
    # the room, where it has a name; number 123 and name 123 are two rooms
    StrRoomId: NotRequired[str]
    UserId: str
    # the Next of the page before
    After: NotRequired[str]
    # 1–1000, default 100
    Limit: NotRequired[int]


class Layer(TypedDict):
    # camera, screen, mic or screen-audio
    Source: str
    # of a simulcast layer
    Rid: NotRequired[str]
    # it brings packets
    Live: bool
    # nobody wants it, and its publisher was told so
    Off: NotRequired[bool]
    # width times height of its pictures; missing: not known
    Area: NotRequired[int]
    Packets: int
    Bytes: int
    # packets missing on the way to the node, repairs not counted; negative with duplicates
    Lost: int
    JitterMs: float
    # users that it is sent to
    Viewers: int
    # their ids, at most 100
    SeenBy: NotRequired[list[str]]


class View(TypedDict):
    # whose
    UserId: str
    Source: str
    # live; switching: waits for a keyframe; paused: the network does not carry it; off: there is nothing
    # to send
    State: str
    # that is sent, by its place from the lowest on
    Layer: int
    Codec: NotRequired[str]
    # the client does not show it, and gets nothing
    Hidden: NotRequired[bool]
    Packets: int
    # of payload
    Bytes: int
    Resent: int
    # as it reports
    Lost: int
    # as it reports
    JitterMs: float


class UserInRoom(TypedDict):
    # the room, where it has a number; exactly one of RoomId and StrRoomId is given
    RoomId: NotRequired[int]
    # the room, where it has a name; number 123 and name 123 are two rooms
    StrRoomId: NotRequired[str]
    Node: str
    UserId: str
    # what people call it; not unique
    Name: NotRequired[str]
    # of the application
    Metadata: NotRequired[str]
    # anchor, audience
    Role: Literal["anchor", "audience"]
    # enter, create, send_audio, recv_audio, send_video, recv_video, send_screen, recv_screen,
    # send_message, admin
    Rights: list[Literal[
        "enter", "create", "send_audio", "recv_audio", "send_video", "recv_video", "send_screen", "recv_screen", "send_message", "admin",
    ]]
    # none, both, audio or video
    Block: Literal["none", "both", "audio", "video"]
    # what it publishes
    Streams: list[Stream]
    # what was forwarded to it
    Received: Received
    # rounded up; 0: not known
    RttMs: int
    # Unix time
    SinceMs: int
    # Unix time of the last sign of life
    LastHeardMs: int
    Connected: bool
    # WHIP or WHEP
    MediaOnly: bool
    SessionId: str
    # streams of which nothing can be sent to the user, as its client has offered no codec that decodes
    # them
    Undecodable: NotRequired[list[Undecodable]]
    # pictures that its network does not carry at present
    Paused: NotRequired[list[Paused]]
    # the one to the user
    Network: Network
    # from which the user has entered, or resumed
    Address: NotRequired[str]
    # what its browser or program calls itself: at most 256 bytes that the client has chosen
    UserAgent: NotRequired[str]
    Media: Way
    # its network, towards the node
    Up: Direction
    # its network, from the node
    Down: Direction
    # what it publishes, layer by layer
    Layers: list[Layer]
    # what it is sent of others
    Views: list[View]


class DescribeUserResponse(TypedDict):
    Rooms: list[UserInRoom]
    Next: NotRequired[str]
    # Unix time at which the counters were read
    TimeMs: int
    # nodes that have not answered, whose rooms are missing
    NodesMissing: NotRequired[list[str]]


class DismissRoomRequest(TypedDict):
    # the room, where it has a number; exactly one of RoomId and StrRoomId is given
    RoomId: NotRequired[int]
    # the room, where it has a name; number 123 and name 123 are two rooms
    StrRoomId: NotRequired[str]
    # number of the application, which has to be among the node's keys; it can be left out
    SdkAppId: NotRequired[int]
    # passed to the users; at most 256 bytes
    Reason: NotRequired[str]


class DismissRoomResponse(TypedDict):
    # how many were put out
    Users: int


class DismissRoomByStrRoomIdRequest(TypedDict):
    # the room, where it has a name; number 123 and name 123 are two rooms
    RoomId: NotRequired[str]
    # the room, where it has a name; number 123 and name 123 are two rooms
    StrRoomId: NotRequired[str]
    # number of the application, which has to be among the node's keys; it can be left out
    SdkAppId: NotRequired[int]
    # passed to the users; at most 256 bytes
    Reason: NotRequired[str]


class DrainNodeRequest(TypedDict):
    # the node's name; needed where there are several
    NodeId: NotRequired[str]
    # until the node ends whatever goes on in it; 0: ten minutes, or as was said before where it drains
    # already
    DeadlineSeconds: NotRequired[int]


class DrainNodeResponse(TypedDict):
    Node: str
    Draining: bool
    # Unix time at which it ends at the latest
    DrainEndsMs: int
    # that are left
    Rooms: int
    Participants: int


class ListEventsRequest(TypedDict):
    # the room, where it has a number; exactly one of RoomId and StrRoomId is given
    RoomId: NotRequired[int]
    # the room, where it has a name; number 123 and name 123 are two rooms
    StrRoomId: NotRequired[str]
    # only events of this user
    UserId: NotRequired[str]
    # 1–1000, default 100
    Limit: NotRequired[int]


class Event(TypedDict):
    # the room, where it has a number; exactly one of RoomId and StrRoomId is given
    RoomId: NotRequired[int]
    # the room, where it has a name; number 123 and name 123 are two rooms
    StrRoomId: NotRequired[str]
    Id: str
    # Unix time
    TimeMs: int
    # 101 to 206, as of the feed of events
    Type: int
    Node: str
    UserId: NotRequired[str]
    # display name, of 103 and 106
    Name: NotRequired[str]
    # anchor, audience
    Role: NotRequired[Literal["anchor", "audience"]]
    # 1 to 6, as of the feed of events
    Reason: NotRequired[int]
    # the reason that a command gave
    Text: NotRequired[str]


class ListEventsResponse(TypedDict):
    Events: list[Event]
    # nodes that have not answered, whose events are missing
    NodesMissing: NotRequired[list[str]]


class ListRefusalsRequest(TypedDict):
    # the node's name; without it all nodes
    NodeId: NotRequired[str]


class Refusal(TypedDict):
    Node: str
    # Unix time, of the latest one
    TimeMs: int
    # how often the same was refused
    Times: int
    # websocket, whip, whep or admin
    Door: str
    # the name of the error, or too_often
    Reason: str
    # of the client
    Address: NotRequired[str]
    # key of the room: s: and its name, or n: and its number
    Room: NotRequired[str]
    UserId: NotRequired[str]
    # of the request
    Field: NotRequired[str]
    # missing for bad requests, which may quote what was shown
    Why: NotRequired[str]


class ListRefusalsResponse(TypedDict):
    Refusals: list[Refusal]
    # nodes that have not answered
    NodesMissing: NotRequired[list[str]]


class ListRoomsRequest(TypedDict):
    # of the name, or of the digits of the number
    Prefix: NotRequired[str]
    # only rooms of this scene; call, live
    Scene: NotRequired[Literal["call", "live"]]
    # a part of the name, or of the digits of the number, in capital letters or small ones
    Contains: NotRequired[str]
    # users, publishers or poor: rooms with the most of them first; newest: rooms that were made last
    # first; without it by room keys
    Order: NotRequired[Literal["users", "publishers", "poor", "newest"]]
    # the Next of the page before
    After: NotRequired[str]
    # 1–1000, default 100
    Limit: NotRequired[int]


class Room(TypedDict):
    # the room, where it has a number; exactly one of RoomId and StrRoomId is given
    RoomId: NotRequired[int]
    # the room, where it has a name; number 123 and name 123 are two rooms
    StrRoomId: NotRequired[str]
    # call, live
    Scene: Literal["call", "live"]
    # Unix time
    CreatedMs: int
    Users: int
    Anchors: int
    # the audience of a live room
    Viewers: int
    # users who publish something that is on
    Publishers: int
    # users whose network is poor or worse, in either direction
    Poor: int
    Node: str
    # what the room leaves out at the moment as it does not keep up: top_layer, layers, mid_quality,
    # low_quality, half, most or video
    Shedding: NotRequired[str]


class ListRoomsResponse(TypedDict):
    Rooms: list[Room]
    # rooms on all pages
    Total: int
    Next: NotRequired[str]
    # nodes that have not answered, whose rooms are missing
    NodesMissing: NotRequired[list[str]]


class RemoveUserRequest(TypedDict):
    # the room, where it has a number; exactly one of RoomId and StrRoomId is given
    RoomId: NotRequired[int]
    # the room, where it has a name; number 123 and name 123 are two rooms
    StrRoomId: NotRequired[str]
    # number of the application, which has to be among the node's keys; it can be left out
    SdkAppId: NotRequired[int]
    # 1–10
    UserIds: list[str]
    # for as long they cannot enter again
    BanSeconds: NotRequired[int]
    # passed to the users; at most 256 bytes
    Reason: NotRequired[str]


class RemovedUser(TypedDict):
    UserId: str
    # removed, or not_in_room
    Result: str


class RemoveUserResponse(TypedDict):
    Users: list[RemovedUser]


class RemoveUserByStrRoomIdRequest(TypedDict):
    # the room, where it has a name; number 123 and name 123 are two rooms
    RoomId: NotRequired[str]
    # the room, where it has a name; number 123 and name 123 are two rooms
    StrRoomId: NotRequired[str]
    # number of the application, which has to be among the node's keys; it can be left out
    SdkAppId: NotRequired[int]
    # 1–10
    UserIds: list[str]
    # for as long they cannot enter again
    BanSeconds: NotRequired[int]
    # passed to the users; at most 256 bytes
    Reason: NotRequired[str]


class SendMessageRequest(TypedDict):
    # the room, where it has a number; exactly one of RoomId and StrRoomId is given
    RoomId: NotRequired[int]
    # the room, where it has a name; number 123 and name 123 are two rooms
    StrRoomId: NotRequired[str]
    # to whom, 1–10; without it to all in the room
    UserIds: NotRequired[list[str]]
    # 1–10, which of the application's kinds
    CmdId: int
    # the payload in base64, at most 1000 bytes of it; exactly one of Data and Text is given
    Data: NotRequired[str]
    # the payload as text, at most 1000 bytes in UTF-8
    Text: NotRequired[str]
    # rather lost than late
    Unreliable: NotRequired[bool]


class SendMessageResponse(TypedDict):
    # users to whom it was handed, or for whom it is kept until they are connected again
    Delivered: int
    # of those meant: not in the room, without a way to be reached, or not keeping up
    Missed: int


class SetUserBlockedRequest(TypedDict):
    # the room, where it has a number; exactly one of RoomId and StrRoomId is given
    RoomId: NotRequired[int]
    # the room, where it has a name; number 123 and name 123 are two rooms
    StrRoomId: NotRequired[str]
    # number of the application, which has to be among the node's keys; it can be left out
    SdkAppId: NotRequired[int]
    UserId: str
    # none, both, audio or video; replaces the one before
    Block: Literal["none", "both", "audio", "video"]


class SetUserBlockedResponse(TypedDict):
    UserId: str
    # none, both, audio, video
    Block: Literal["none", "both", "audio", "video"]


class UpdateUserRequest(TypedDict):
    # the room, where it has a number; exactly one of RoomId and StrRoomId is given
    RoomId: NotRequired[int]
    # the room, where it has a name; number 123 and name 123 are two rooms
    StrRoomId: NotRequired[str]
    UserId: str
    # the display name, whatever the user and its token say; empty: they say it again; without it nothing
    # changes
    Name: NotRequired[str]
    # of the application, at most 2048 bytes; likewise
    Metadata: NotRequired[str]


class UpdateUserResponse(TypedDict):
    UserId: str
    Name: str
    Metadata: str


class FeedEvent(TypedDict):
    id: str
    type: int
    timeMs: int
    node: str
    room: str | int
    user: NotRequired[str]
    name: NotRequired[str]
    role: NotRequired[str]
    reason: NotRequired[int]
    text: NotRequired[str]
    by: NotRequired[str]


class Commands:
    """The commands of a node. Node carries them out."""

    def do(self, action: str, request: Any) -> Any:
        """Gives a command by its name, and returns its answer."""
        raise NotImplementedError

    def describe_history(self, request: DescribeHistoryRequest) -> DescribeHistoryResponse:
        """Show what nodes have had to do in the last quarter of an hour."""
        return self.do("DescribeHistory", request)

    def describe_node(self, request: DescribeNodeRequest) -> DescribeNodeResponse:
        """Show what nodes have to do."""
        return self.do("DescribeNode", request)

    def describe_room(self, request: DescribeRoomRequest) -> DescribeRoomResponse:
        """Show a room and, a page at a time, who is in it."""
        return self.do("DescribeRoom", request)

    def describe_user(self, request: DescribeUserRequest) -> DescribeUserResponse:
        """Show a user in one room, or in every room that it is in."""
        return self.do("DescribeUser", request)

    def dismiss_room(self, request: DismissRoomRequest) -> DismissRoomResponse:
        """Put everybody out of a room and end it."""
        return self.do("DismissRoom", request)

    def dismiss_room_by_str_room_id(self, request: DismissRoomByStrRoomIdRequest) -> DismissRoomResponse:
        """Put everybody out of a room that is named by a string, and end it."""
        return self.do("DismissRoomByStrRoomId", request)

    def drain_node(self, request: DrainNodeRequest) -> DrainNodeResponse:
        """Have a node take no new rooms, wait for those that it has, and end."""
        return self.do("DrainNode", request)

    def list_events(self, request: ListEventsRequest) -> ListEventsResponse:
        """List the latest events of rooms and users that nodes remember."""
        return self.do("ListEvents", request)

    def list_refusals(self, request: ListRefusalsRequest) -> ListRefusalsResponse:
        """List who was refused of late at the doors of nodes, and why."""
        return self.do("ListRefusals", request)

    def list_rooms(self, request: ListRoomsRequest) -> ListRoomsResponse:
        """List rooms, a page at a time."""
        return self.do("ListRooms", request)

    def remove_user(self, request: RemoveUserRequest) -> RemoveUserResponse:
        """Put users out of a room."""
        return self.do("RemoveUser", request)

    def remove_user_by_str_room_id(self, request: RemoveUserByStrRoomIdRequest) -> RemoveUserResponse:
        """Put users out of a room that is named by a string."""
        return self.do("RemoveUserByStrRoomId", request)

    def send_message(self, request: SendMessageRequest) -> SendMessageResponse:
        """Send a custom message to users of a room, or to all of them."""
        return self.do("SendMessage", request)

    def set_user_blocked(self, request: SetUserBlockedRequest) -> SetUserBlockedResponse:
        """Have a user's sound, pictures or both forwarded to nobody, or again."""
        return self.do("SetUserBlocked", request)

    def update_user(self, request: UpdateUserRequest) -> UpdateUserResponse:
        """Set what a user is called, and what is said of it."""
        return self.do("UpdateUser", request)


class EventType(enum.IntEnum):
    """The types of events."""

    ROOM_CREATED = 101
    ROOM_DISMISSED = 102
    USER_ENTERED = 103
    USER_LEFT = 104
    ROLE_CHANGED = 105
    USER_UPDATED = 106
    VIDEO_STARTED = 201
    VIDEO_STOPPED = 202
    AUDIO_STARTED = 203
    AUDIO_STOPPED = 204
    SCREEN_STARTED = 205
    SCREEN_STOPPED = 206


class Reason(enum.IntEnum):
    """The reasons of events."""

    NORMAL = 1
    TIMEOUT = 2
    REMOVED = 3
    REPLACED = 4
    SHUTDOWN = 5
    EXPIRED = 6


# The rights of tokens, and what an ordinary user needs.
RIGHTS = [
    "enter",
    "create",
    "send_audio",
    "recv_audio",
    "send_video",
    "recv_video",
    "send_screen",
    "recv_screen",
    "send_message",
    "admin",
]
MEMBER_RIGHTS = [right for right in RIGHTS if right != "admin"]
# --- made until here


# --- tokens


class Key:
    """A key that signs tokens, as nodes have it in auth.keys or auth.keys_file."""

    def __init__(self, id: str, secret: bytes) -> None:
        if not id or len(secret) < MIN_SECRET:
            raise ParlorError("bad_request", f"a key has an id, and a secret of at least {MIN_SECRET} bytes", "key")
        self.id, self.secret = id, secret

    @classmethod
    def parse(cls, line: str) -> Key:
        """Reads a key as `sfu key create` writes it, and as nodes read it: id:secret."""
        id, colon, secret = line.strip().partition(":")
        if not colon:
            raise ParlorError("bad_request", "a key is written id:secret", "key")
        return cls(id, secret.encode())

    def __repr__(self) -> str:
        return f"Key({self.id!r})"  # never the secret


def create_token(
    key: Key | str,
    *,
    expires: float,
    room: str | int | None = None,
    user: str | None = None,
    rights: Iterable[str] = tuple(MEMBER_RIGHTS),
    role: Literal["anchor", "audience"] | None = None,
    name: str | None = None,
    metadata: str | None = None,
    now: float | None = None,
) -> str:
    """Makes a token: a JWT, signed with HS256.

    expires says in how many seconds it ends. room is the only room that it holds for, by its name or number: 123 and
    "123" are two rooms. user is the only user. Only with the right admin the two may be left out. Of the role
    audience the user may not become anchor. name is what people call the user, metadata a text of the application
    about it, which the others get; the user cannot change what is given here.
    """
    if isinstance(key, str):
        key = Key.parse(key)
    made = math.floor(time.time() if now is None else now)
    if not expires >= 1:
        raise ParlorError("bad_request", "the token has ended before it is made", "expires")
    if expires >= 1 << 53:
        raise ParlorError("bad_request", "the token ends too late; expires is in seconds", "expires")
    if isinstance(rights, str):
        raise ParlorError("bad_request", "rights are a list, such as ['publish']", "rights")
    claims = {
        "room": room, "user": user, "rights": list(rights), "role": role, "name": name, "metadata": metadata,
        "exp": made + math.floor(expires), "iat": made,
    }
    head = {"alg": "HS256", "kid": key.id, "typ": "JWT"}
    text = _part(head) + "." + _part({name: value for name, value in claims.items() if value is not None})
    return text + "." + _base64(hmac.digest(key.secret, text.encode(), hashlib.sha256))


def _part(value: Any) -> str:
    return _base64(json.dumps(value, separators=(",", ":")).encode())


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


# --- commands


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args: Any) -> None:
        return None


_opener = urllib.request.build_opener(_NoRedirect)


class Node(Commands):
    """Gives commands to any node of a cluster; they reach the node that has the room.

    url is https://sfu.example.org. key makes a short token with the right admin for each command; token is such a token
    in its place. A node without keys needs neither. timeout is in seconds for each command; nodes give up after 10 s.
    """

    def __init__(self, url: str, *, key: Key | str | None = None, token: str = "", timeout: float = 15) -> None:
        self._url, self._token, self._timeout = url.rstrip("/"), token, timeout
        self._key = Key.parse(key) if isinstance(key, str) else key

    def do(self, action: str, request: Any) -> Any:
        """Gives a command by its name, and returns its answer. What it fails with is a ParlorError."""
        headers = {"Content-Type": "application/json"}
        token = self._token
        if not token and self._key:
            token = create_token(self._key, rights=["admin"], expires=60)
        if token:
            headers["Authorization"] = "Bearer " + token
        status = 0
        try:
            query = urllib.request.Request(f"{self._url}/admin/v1/{action}", json.dumps(request).encode(), headers, method="POST")
            with _opener.open(query, timeout=self._timeout) as answer:
                status = answer.status
                return json.loads(_read(answer))
        except urllib.error.HTTPError as refused:
            with refused:
                raise _problem(refused) from None
        except (OSError, ValueError, http.client.HTTPException) as failed:
            raise ParlorError(UNREACHABLE, f"the node has not answered: {failed}", status=status) from failed


def _read(answer: Any) -> bytes:
    body = answer.read(MAX_ANSWER + 1)
    if len(body) > MAX_ANSWER:
        raise ValueError(f"the answer has more than {MAX_ANSWER} bytes")
    return body


def _problem(refused: urllib.error.HTTPError) -> ParlorError:
    """Reads an error answer: a problem document of a node, or something else of whoever stands before it."""
    try:
        document = json.loads(_read(refused))
        code, field, message = document["code"], document.get("field", ""), document.get("detail", "")
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return ParlorError(UNREACHABLE, f"the answer has the status {refused.code}, and is not a node's", status=refused.code)
    after = refused.headers.get("Retry-After", "")
    return ParlorError(code, message or code, field, refused.code, int(after) if after.isdecimal() else 0)


# --- webhooks


def verify_webhook(header: str | None, body: bytes, *keys: bytes | str, now: float | None = None) -> FeedEvent:
    """Checks that a request comes from a node, and returns its event.

    header is the one named SIGNATURE_HEADER, body the body as it was received. keys are webhook.key, and while it is
    changed the one before as well. A ParlorError has the code signature_invalid, or signature_expired if its time is too
    far from now.
    """
    secrets = [key.encode() if isinstance(key, str) else key for key in keys]
    if any(len(secret) < MIN_SECRET for secret in secrets):  # anybody could guess it, above all an empty one
        raise ParlorError("bad_request", f"a key of webhooks has at least {MIN_SECRET} bytes", "keys")
    at, signatures = "", []
    for each in (header or "").encode("ascii", "replace").decode().split(","):
        name, _, value = each.strip().partition("=")
        if name == "t":
            at = value
        elif name == "v1":
            signatures.append(value.lower().encode())
    valid = False
    for secret in secrets:
        want = hmac.new(secret, at.encode() + b"." + body, hashlib.sha256).hexdigest().encode()
        for signature in signatures:
            valid = hmac.compare_digest(signature, want) or valid
    if not valid or not (at.isascii() and at.isdecimal() and len(at) < 16):
        raise ParlorError("signature_invalid", "the signature is not that of the body")
    if abs((time.time() if now is None else now) - int(at)) > WEBHOOK_TOLERANCE:
        raise ParlorError("signature_expired", "the time of the signature is too far from now")
    return json.loads(body)
