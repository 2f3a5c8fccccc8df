export type DescribeHistoryRequest = {
    /**
     * the node's name; without it all nodes
     */
    NodeId?: string;
    /**
     * only points that are later, in Unix time
     */
    AfterMs?: number;
};
export type HistoryPoint = {
    /**
     * Unix time
     */
    TimeMs: number;
    /**
     * of the cores that the process may use, 0–1
     */
    Cpu: number;
    /**
     * resident
     */
    MemoryBytes: number;
    Rooms: number;
    Participants: number;
    Publishers: number;
    PacketsInPerSecond: number;
    PacketsOutPerSecond: number;
    BitsInPerSecond: number;
    BitsOutPerSecond: number;
    /**
     * packets that users should have got to the node
     */
    ExpectedUp: number;
    /**
     * of them, those that were lost, before repair
     */
    LostUp: number;
    /**
     * packets to users of which they have reported
     */
    ExpectedDown: number;
    /**
     * of them, those that were lost, before repair
     */
    LostDown: number;
    /**
     * users by quality, 0 unknown to 6 down, in the worse of both
     * directions
     */
    Qualities: Array<number>;
    /**
     * enterings by result, as of the metric parlor_joins_total
     */
    Joins?: Record<string, number>;
    /**
     * ends of sessions by reason, as of parlor_leaves_total
     */
    Leaves?: Record<string, number>;
    /**
     * packets of media dropped by reason, as of
     * parlor_media_dropped_total
     */
    Drops?: Record<string, number>;
    /**
     * packets dropped on the wire by reason, as of
     * parlor_transport_dropped_total
     */
    WireDrops?: Record<string, number>;
};
export type History = {
    Node: string;
    /**
     * time from one point to the next
     */
    EveryMs: number;
    /**
     * oldest first
     */
    Points: Array<HistoryPoint>;
};
export type DescribeHistoryResponse = {
    Nodes: Array<History>;
    /**
     * nodes that have not answered
     */
    NodesMissing?: Array<string>;
};
export type DescribeNodeRequest = {
    /**
     * the node's name; without it all nodes
     */
    NodeId?: string;
};
export type NodeInfo = {
    Node: string;
    Version: string;
    /**
     * Unix time
     */
    StartedMs: number;
    Draining: boolean;
    /**
     * Unix time at which a draining node ends at the latest
     */
    DrainEndsMs?: number;
    Rooms: number;
    Participants: number;
    /**
     * users who publish something that is on
     */
    Publishers: number;
    /**
     * media connections
     */
    Connections: number;
    /**
     * of the cores that the process may use, 0–1, of late
     */
    Cpu: number;
    PacketsInPerSecond: number;
    PacketsOutPerSecond: number;
    BitsInPerSecond: number;
    BitsOutPerSecond: number;
    /**
     * packets that were not taken from the network, or not sent, of late
     */
    DropsPerSecond: number;
    /**
     * rooms that leave media out as they do not keep up
     */
    RoomsOverloaded: number;
    /**
     * resident
     */
    MemoryBytes: number;
};
export type DescribeNodeResponse = {
    Nodes: Array<NodeInfo>;
    /**
     * nodes that have not answered
     */
    NodesMissing?: Array<string>;
};
export type DescribeRoomRequest = {
    /**
     * the room, where it has a number; exactly one of RoomId and StrRoomId is
     * given
     */
    RoomId?: number;
    /**
     * the room, where it has a name; number 123 and name 123 are two rooms
     */
    StrRoomId?: string;
    /**
     * the Next of the page before
     */
    After?: string;
    /**
     * 1–1000, default 100
     */
    Limit?: number;
};
export type Stream = {
    /**
     * camera, screen, mic or screen-audio
     */
    Source: string;
    /**
     * false: muted, stopped or blocked
     */
    On: boolean;
    Blocked?: boolean;
    Codec?: string;
    /**
     * simulcast layers that bring packets at present
     */
    Layers: number;
    Packets: number;
    Bytes: number;
    /**
     * packets missing on the way to the node, repairs not counted; negative with
     * duplicates
     */
    Lost: number;
};
export type Received = {
    Packets: number;
    /**
     * of payload
     */
    Bytes: number;
    /**
     * packets sent again
     */
    Resent: number;
    /**
     * packets that it reports as missing
     */
    Lost: number;
};
export type Undecodable = {
    /**
     * whose stream
     */
    UserId: string;
    Source: string;
    /**
     * codec and profile of the stream
     */
    Codec: string;
    /**
     * what the receiving client has in its place: its profile of that codec, or
     * the names of its codecs
     */
    Offered: string;
};
export type Paused = {
    /**
     * whose picture
     */
    UserId: string;
    /**
     * camera or screen
     */
    Source: string;
};
export type Network = {
    /**
     * what keeps the user from larger pictures: none, delay, loss, publisher or
     * application; unknown where it is to be sent none
     */
    LimitedBy: string;
    /**
     * what it carries, as far as what is sent has shown; 0: not known
     */
    EstimateKbps: number;
    /**
     * for how long packets wait on the way
     */
    QueueMs: number;
    /**
     * how many earlier frames go with each packet of sound
     */
    Red: number;
};
export type Way = {
    /**
     * address and port of the client; missing: it is not connected
     */
    Address?: string;
    /**
     * udp, tcp, or turn for a relay, whose address it is then
     */
    Protocol?: string;
};
export type Direction = {
    /**
     * 0 unknown, 1 excellent, 2 good, 3 poor, 4 bad, 5 very bad, 6 down
     */
    Quality: number;
    /**
     * share of packets that were lost, 0–1, before repair; missing: not known
     */
    Loss?: number;
};
export type User = {
    UserId: string;
    /**
     * what people call it; not unique
     */
    Name?: string;
    /**
     * of the application
     */
    Metadata?: string;
    /**
     * anchor, audience
     */
    Role: 'anchor' | 'audience';
    /**
     * enter, create, send_audio,
     * recv_audio, send_video, recv_video, send_screen, recv_screen, send_message, admin
     */
    Rights: Array<'enter' | 'create' | 'send_audio' | 'recv_audio' | 'send_video' | 'recv_video' | 'send_screen' | 'recv_screen' | 'send_message' | 'admin'>;
    /**
     * none, both, audio or video
     */
    Block: 'none' | 'both' | 'audio' | 'video';
    /**
     * what it publishes
     */
    Streams: Array<Stream>;
    /**
     * what was forwarded to it
     */
    Received: Received;
    /**
     * rounded up; 0: not known
     */
    RttMs: number;
    /**
     * Unix time
     */
    SinceMs: number;
    /**
     * Unix time of the last sign of life
     */
    LastHeardMs: number;
    Connected: boolean;
    /**
     * WHIP or WHEP
     */
    MediaOnly: boolean;
    SessionId: string;
    /**
     * streams of which nothing can be sent to the user, as its
     * client has offered no codec that decodes them
     */
    Undecodable?: Array<Undecodable>;
    /**
     * pictures that its network does not carry at present
     */
    Paused?: Array<Paused>;
    /**
     * the one to the user
     */
    Network: Network;
    /**
     * from which the user has entered, or resumed
     */
    Address?: string;
    /**
     * what its browser or program calls itself: at most 256 bytes that the
     * client has chosen
     */
    UserAgent?: string;
    Media: Way;
    /**
     * its network, towards the node
     */
    Up: Direction;
    /**
     * its network, from the node
     */
    Down: Direction;
};
export type DescribeRoomResponse = {
    /**
     * the room, where it has a number; exactly one of RoomId and StrRoomId is
     * given
     */
    RoomId?: number;
    /**
     * the room, where it has a name; number 123 and name 123 are two rooms
     */
    StrRoomId?: string;
    /**
     * call, live
     */
    Scene: 'call' | 'live';
    /**
     * Unix time
     */
    CreatedMs: number;
    Users: number;
    Anchors: number;
    /**
     * the audience of a live room
     */
    Viewers: number;
    /**
     * users who publish something that is on
     */
    Publishers: number;
    /**
     * users whose network is poor or worse, in either direction
     */
    Poor: number;
    Node: string;
    /**
     * what the room leaves out at the moment as it does not keep up: top_layer,
     * layers, mid_quality, low_quality, half, most or video
     */
    Shedding?: string;
    UserList: Array<User>;
    Next?: string;
    /**
     * Unix time at which the counters were read
     */
    TimeMs: number;
};
export type DescribeUserRequest = {
    /**
     * the room, where it has a number; exactly one of RoomId and StrRoomId is
     * given
     */
    RoomId?: number;
    /**
     * the room, where it has a name; number 123 and name 123 are two rooms
     */
    StrRoomId?: string;
    UserId: string;
    /**
     * the Next of the page before
     */
    After?: string;
    /**
     * 1–1000, default 100
     */
    Limit?: number;
};
export type Layer = {
    /**
     * camera, screen, mic or screen-audio
     */
    Source: string;
    /**
     * of a simulcast layer
     */
    Rid?: string;
    /**
     * it brings packets
     */
    Live: boolean;
    /**
     * nobody wants it, and its publisher was told so
     */
    Off?: boolean;
    /**
     * width times height of its pictures; missing: not known
     */
    Area?: number;
    Packets: number;
    Bytes: number;
    /**
     * packets missing on the way to the node, repairs not counted; negative with
     * duplicates
     */
    Lost: number;
    JitterMs: number;
    /**
     * users that it is sent to
     */
    Viewers: number;
    /**
     * their ids, at most 100
     */
    SeenBy?: Array<string>;
};
export type View = {
    /**
     * whose
     */
    UserId: string;
    Source: string;
    /**
     * live; switching: waits for a keyframe; paused: the network does not carry it;
     * off: there is nothing to send
     */
    State: string;
    /**
     * that is sent, by its place from the lowest on
     */
    Layer: number;
    Codec?: string;
    /**
     * the client does not show it, and gets nothing
     */
    Hidden?: boolean;
    Packets: number;
    /**
     * of payload
     */
    Bytes: number;
    Resent: number;
    /**
     * as it reports
     */
    Lost: number;
    /**
     * as it reports
     */
    JitterMs: number;
};
export type UserInRoom = {
    /**
     * the room, where it has a number; exactly one of RoomId and StrRoomId is
     * given
     */
    RoomId?: number;
    /**
     * the room, where it has a name; number 123 and name 123 are two rooms
     */
    StrRoomId?: string;
    Node: string;
    UserId: string;
    /**
     * what people call it; not unique
     */
    Name?: string;
    /**
     * of the application
     */
    Metadata?: string;
    /**
     * anchor, audience
     */
    Role: 'anchor' | 'audience';
    /**
     * enter, create, send_audio,
     * recv_audio, send_video, recv_video, send_screen, recv_screen, send_message, admin
     */
    Rights: Array<'enter' | 'create' | 'send_audio' | 'recv_audio' | 'send_video' | 'recv_video' | 'send_screen' | 'recv_screen' | 'send_message' | 'admin'>;
    /**
     * none, both, audio or video
     */
    Block: 'none' | 'both' | 'audio' | 'video';
    /**
     * what it publishes
     */
    Streams: Array<Stream>;
    /**
     * what was forwarded to it
     */
    Received: Received;
    /**
     * rounded up; 0: not known
     */
    RttMs: number;
    /**
     * Unix time
     */
    SinceMs: number;
    /**
     * Unix time of the last sign of life
     */
    LastHeardMs: number;
    Connected: boolean;
    /**
     * WHIP or WHEP
     */
    MediaOnly: boolean;
    SessionId: string;
    /**
     * streams of which nothing can be sent to the user, as its
     * client has offered no codec that decodes them
     */
    Undecodable?: Array<Undecodable>;
    /**
     * pictures that its network does not carry at present
     */
    Paused?: Array<Paused>;
    /**
     * the one to the user
     */
    Network: Network;
    /**
     * from which the user has entered, or resumed
     */
    Address?: string;
    /**
     * what its browser or program calls itself: at most 256 bytes that the
     * client has chosen
     */
    UserAgent?: string;
    Media: Way;
    /**
     * its network, towards the node
     */
    Up: Direction;
    /**
     * its network, from the node
     */
    Down: Direction;
    /**
     * what it publishes, layer by layer
     */
    Layers: Array<Layer>;
    /**
     * what it is sent of others
     */
    Views: Array<View>;
};
export type DescribeUserResponse = {
    Rooms: Array<UserInRoom>;
    Next?: string;
    /**
     * Unix time at which the counters were read
     */
    TimeMs: number;
    /**
     * nodes that have not answered, whose rooms are missing
     */
    NodesMissing?: Array<string>;
};
export type DismissRoomRequest = {
    /**
     * the room, where it has a number; exactly one of RoomId and StrRoomId is
     * given
     */
    RoomId?: number;
    /**
     * the room, where it has a name; number 123 and name 123 are two rooms
     */
    StrRoomId?: string;
    /**
     * number of the application, which has to be among the node's keys; it can
     * be left out
     */
    SdkAppId?: number;
    /**
     * passed to the users; at most 256 bytes
     */
    Reason?: string;
};
export type DismissRoomResponse = {
    /**
     * how many were put out
     */
    Users: number;
};
export type DismissRoomByStrRoomIdRequest = {
    /**
     * the room, where it has a name; number 123 and name 123 are two rooms
     */
    RoomId?: string;
    /**
     * the room, where it has a name; number 123 and name 123 are two rooms
     */
    StrRoomId?: string;
    /**
     * number of the application, which has to be among the node's keys; it can
     * be left out
     */
    SdkAppId?: number;
    /**
     * passed to the users; at most 256 bytes
     */
    Reason?: string;
};
export type DrainNodeRequest = {
    /**
     * the node's name; needed where there are several
     */
    NodeId?: string;
    /**
     * until the node ends whatever goes on in it; 0: ten minutes, or as
     * was said before where it drains already
     */
    DeadlineSeconds?: number;
};
export type DrainNodeResponse = {
    Node: string;
    Draining: boolean;
    /**
     * Unix time at which it ends at the latest
     */
    DrainEndsMs: number;
    /**
     * that are left
     */
    Rooms: number;
    Participants: number;
};
export type ListEventsRequest = {
    /**
     * the room, where it has a number; exactly one of RoomId and StrRoomId is
     * given
     */
    RoomId?: number;
    /**
     * the room, where it has a name; number 123 and name 123 are two rooms
     */
    StrRoomId?: string;
    /**
     * only events of this user
     */
    UserId?: string;
    /**
     * 1–1000, default 100
     */
    Limit?: number;
};
export type Event = {
    /**
     * the room, where it has a number; exactly one of RoomId and StrRoomId is
     * given
     */
    RoomId?: number;
    /**
     * the room, where it has a name; number 123 and name 123 are two rooms
     */
    StrRoomId?: string;
    Id: string;
    /**
     * Unix time
     */
    TimeMs: number;
    /**
     * 101 to 206, as of the feed of events
     */
    Type: number;
    Node: string;
    UserId?: string;
    /**
     * display name, of 103 and 106
     */
    Name?: string;
    /**
     * anchor, audience
     */
    Role?: 'anchor' | 'audience';
    /**
     * 1 to 6, as of the feed of events
     */
    Reason?: number;
    /**
     * the reason that a command gave
     */
    Text?: string;
};
export type ListEventsResponse = {
    Events: Array<Event>;
    /**
     * nodes that have not answered, whose events are missing
     */
    NodesMissing?: Array<string>;
};
export type ListRefusalsRequest = {
    /**
     * the node's name; without it all nodes
     */
    NodeId?: string;
};
export type Refusal = {
    Node: string;
    /**
     * Unix time, of the latest one
     */
    TimeMs: number;
    /**
     * how often the same was refused
     */
    Times: number;
    /**
     * websocket, whip, whep or admin
     */
    Door: string;
    /**
     * the name of the error, or too_often
     */
    Reason: string;
    /**
     * of the client
     */
    Address?: string;
    /**
     * key of the room: s: and its name, or n: and its number
     */
    Room?: string;
    UserId?: string;
    /**
     * of the request
     */
    Field?: string;
    /**
     * missing for bad requests, which may quote what was shown
     */
    Why?: string;
};
export type ListRefusalsResponse = {
    Refusals: Array<Refusal>;
    /**
     * nodes that have not answered
     */
    NodesMissing?: Array<string>;
};
export type ListRoomsRequest = {
    /**
     * of the name, or of the digits of the number
     */
    Prefix?: string;
    /**
     * only rooms of this scene; call, live
     */
    Scene?: 'call' | 'live';
    /**
     * a part of the name, or of the digits of the number, in capital letters or
     * small ones
     */
    Contains?: string;
    /**
     * users, publishers or poor: rooms with
     * the most of them first; newest: rooms that were made last first; without it by room keys
     */
    Order?: 'users' | 'publishers' | 'poor' | 'newest';
    /**
     * the Next of the page before
     */
    After?: string;
    /**
     * 1–1000, default 100
     */
    Limit?: number;
};
export type Room = {
    /**
     * the room, where it has a number; exactly one of RoomId and StrRoomId is
     * given
     */
    RoomId?: number;
    /**
     * the room, where it has a name; number 123 and name 123 are two rooms
     */
    StrRoomId?: string;
    /**
     * call, live
     */
    Scene: 'call' | 'live';
    /**
     * Unix time
     */
    CreatedMs: number;
    Users: number;
    Anchors: number;
    /**
     * the audience of a live room
     */
    Viewers: number;
    /**
     * users who publish something that is on
     */
    Publishers: number;
    /**
     * users whose network is poor or worse, in either direction
     */
    Poor: number;
    Node: string;
    /**
     * what the room leaves out at the moment as it does not keep up: top_layer,
     * layers, mid_quality, low_quality, half, most or video
     */
    Shedding?: string;
};
export type ListRoomsResponse = {
    Rooms: Array<Room>;
    /**
     * rooms on all pages
     */
    Total: number;
    Next?: string;
    /**
     * nodes that have not answered, whose rooms are missing
     */
    NodesMissing?: Array<string>;
};
export type RemoveUserRequest = {
    /**
     * the room, where it has a number; exactly one of RoomId and StrRoomId is
     * given
     */
    RoomId?: number;
    /**
     * the room, where it has a name; number 123 and name 123 are two rooms
     */
    StrRoomId?: string;
    /**
     * number of the application, which has to be among the node's keys; it can
     * be left out
     */
    SdkAppId?: number;
    /**
     * 1–10
     */
    UserIds: Array<string>;
    /**
     * for as long they cannot enter again
     */
    BanSeconds?: number;
    /**
     * passed to the users; at most 256 bytes
     */
    Reason?: string;
};
export type RemovedUser = {
    UserId: string;
    /**
     * removed, or not_in_room
     */
    Result: string;
};
export type RemoveUserResponse = {
    Users: Array<RemovedUser>;
};
export type RemoveUserByStrRoomIdRequest = {
    /**
     * the room, where it has a name; number 123 and name 123 are two rooms
     */
    RoomId?: string;
    /**
     * the room, where it has a name; number 123 and name 123 are two rooms
     */
    StrRoomId?: string;
    /**
     * number of the application, which has to be among the node's keys; it can
     * be left out
     */
    SdkAppId?: number;
    /**
     * 1–10
     */
    UserIds: Array<string>;
    /**
     * for as long they cannot enter again
     */
    BanSeconds?: number;
    /**
     * passed to the users; at most 256 bytes
     */
    Reason?: string;
};
export type SendMessageRequest = {
    /**
     * the room, where it has a number; exactly one of RoomId and StrRoomId is
     * given
     */
    RoomId?: number;
    /**
     * the room, where it has a name; number 123 and name 123 are two rooms
     */
    StrRoomId?: string;
    /**
     * to whom, 1–10; without it to all in the room
     */
    UserIds?: Array<string>;
    /**
     * 1–10, which of the application's kinds
     */
    CmdId: number;
    /**
     * the payload in base64, at most 1000 bytes of it; exactly one of Data and Text
     * is given
     */
    Data?: string;
    /**
     * the payload as text, at most 1000 bytes in UTF-8
     */
    Text?: string;
    /**
     * rather lost than late
     */
    Unreliable?: boolean;
};
export type SendMessageResponse = {
    /**
     * users to whom it was handed, or for whom it is kept until they are
     * connected again
     */
    Delivered: number;
    /**
     * of those meant: not in the room, without a way to be reached, or not keeping
     * up
     */
    Missed: number;
};
export type SetUserBlockedRequest = {
    /**
     * the room, where it has a number; exactly one of RoomId and StrRoomId is
     * given
     */
    RoomId?: number;
    /**
     * the room, where it has a name; number 123 and name 123 are two rooms
     */
    StrRoomId?: string;
    /**
     * number of the application, which has to be among the node's keys; it can
     * be left out
     */
    SdkAppId?: number;
    UserId: string;
    /**
     * none, both, audio or video; replaces the one
     * before
     */
    Block: 'none' | 'both' | 'audio' | 'video';
};
export type SetUserBlockedResponse = {
    UserId: string;
    /**
     * none, both, audio, video
     */
    Block: 'none' | 'both' | 'audio' | 'video';
};
export type UpdateUserRequest = {
    /**
     * the room, where it has a number; exactly one of RoomId and StrRoomId is
     * given
     */
    RoomId?: number;
    /**
     * the room, where it has a name; number 123 and name 123 are two rooms
     */
    StrRoomId?: string;
    UserId: string;
    /**
     * the display name, whatever the user and its token say; empty: they say it
     * again; without it nothing changes
     */
    Name?: string;
    /**
     * of the application, at most 2048 bytes; likewise
     */
    Metadata?: string;
};
export type UpdateUserResponse = {
    UserId: string;
    Name: string;
    Metadata: string;
};
export type FeedEvent = {
    id: string;
    type: number;
    timeMs: number;
    node: string;
    room: string | number;
    user?: string;
    name?: string;
    role?: string;
    reason?: number;
    text?: string;
    by?: string;
};
/**
 * @typedef {object} DescribeHistoryRequest
 * @property {string} [NodeId] the node's name; without it all nodes
 * @property {number} [AfterMs] only points that are later, in Unix time
 */
/**
 * @typedef {object} HistoryPoint
 * @property {number} TimeMs Unix time
 * @property {number} Cpu of the cores that the process may use, 0–1
 * @property {number} MemoryBytes resident
 * @property {number} Rooms
 * @property {number} Participants
 * @property {number} Publishers
 * @property {number} PacketsInPerSecond
 * @property {number} PacketsOutPerSecond
 * @property {number} BitsInPerSecond
 * @property {number} BitsOutPerSecond
 * @property {number} ExpectedUp packets that users should have got to the node
 * @property {number} LostUp of them, those that were lost, before repair
 * @property {number} ExpectedDown packets to users of which they have reported
 * @property {number} LostDown of them, those that were lost, before repair
 * @property {Array<number>} Qualities users by quality, 0 unknown to 6 down, in the worse of both
 * directions
 * @property {Record<string, number>} [Joins] enterings by result, as of the metric parlor_joins_total
 * @property {Record<string, number>} [Leaves] ends of sessions by reason, as of parlor_leaves_total
 * @property {Record<string, number>} [Drops] packets of media dropped by reason, as of
 * parlor_media_dropped_total
 * @property {Record<string, number>} [WireDrops] packets dropped on the wire by reason, as of
 * parlor_transport_dropped_total
 */
/**
 * @typedef {object} History
 * @property {string} Node
 * @property {number} EveryMs time from one point to the next
 * @property {Array<HistoryPoint>} Points oldest first
 */
/**
 * @typedef {object} DescribeHistoryResponse
 * @property {Array<History>} Nodes
 * @property {Array<string>} [NodesMissing] nodes that have not answered
 */
/**
 * @typedef {object} DescribeNodeRequest
 * @property {string} [NodeId] the node's name; without it all nodes
 */
/**
 * @typedef {object} NodeInfo
 * @property {string} Node
 * @property {string} Version
 * @property {number} StartedMs Unix time
 * @property {boolean} Draining
 * @property {number} [DrainEndsMs] Unix time at which a draining node ends at the latest
 * @property {number} Rooms
 * @property {number} Participants
 * @property {number} Publishers users who publish something that is on
 * @property {number} Connections media connections
 * @property {number} Cpu of the cores that the process may use, 0–1, of late
 * @property {number} PacketsInPerSecond
 * @property {number} PacketsOutPerSecond
 * @property {number} BitsInPerSecond
 * @property {number} BitsOutPerSecond
 * @property {number} DropsPerSecond packets that were not taken from the network, or not sent, of late
 * @property {number} RoomsOverloaded rooms that leave media out as they do not keep up
 * @property {number} MemoryBytes resident
 */
/**
 * @typedef {object} DescribeNodeResponse
 * @property {Array<NodeInfo>} Nodes
 * @property {Array<string>} [NodesMissing] nodes that have not answered
 */
/**
 * @typedef {object} DescribeRoomRequest
 * @property {number} [RoomId] the room, where it has a number; exactly one of RoomId and StrRoomId is
 * given
 * @property {string} [StrRoomId] the room, where it has a name; number 123 and name 123 are two rooms
 * @property {string} [After] the Next of the page before
 * @property {number} [Limit] 1–1000, default 100
 */
/**
 * @typedef {object} Stream
 * @property {string} Source camera, screen, mic or screen-audio
 * @property {boolean} On false: muted, stopped or blocked
 * @property {boolean} [Blocked]
 * @property {string} [Codec]
 * @property {number} Layers simulcast layers that bring packets at present
 * @property {number} Packets
 * @property {number} Bytes
 * @property {number} Lost packets missing on the way to the node, repairs not counted; negative with
 * duplicates
 */
/**
 * @typedef {object} Received
 * @property {number} Packets
 * @property {number} Bytes of payload
 * @property {number} Resent packets sent again
 * @property {number} Lost packets that it reports as missing
 */
/**
 * @typedef {object} Undecodable
 * @property {string} UserId whose stream
 * @property {string} Source
 * @property {string} Codec codec and profile of the stream
 * @property {string} Offered what the receiving client has in its place: its profile of that codec, or
 * the names of its codecs
 */
/**
 * @typedef {object} Paused
 * @property {string} UserId whose picture
 * @property {string} Source camera or screen
 */
/**
 * @typedef {object} Network
 * @property {string} LimitedBy what keeps the user from larger pictures: none, delay, loss, publisher or
 * application; unknown where it is to be sent none
 * @property {number} EstimateKbps what it carries, as far as what is sent has shown; 0: not known
 * @property {number} QueueMs for how long packets wait on the way
 * @property {number} Red how many earlier frames go with each packet of sound
 */
/**
 * @typedef {object} Way
 * @property {string} [Address] address and port of the client; missing: it is not connected
 * @property {string} [Protocol] udp, tcp, or turn for a relay, whose address it is then
 */
/**
 * @typedef {object} Direction
 * @property {number} Quality 0 unknown, 1 excellent, 2 good, 3 poor, 4 bad, 5 very bad, 6 down
 * @property {number} [Loss] share of packets that were lost, 0–1, before repair; missing: not known
 */
/**
 * @typedef {object} User
 * @property {string} UserId
 * @property {string} [Name] what people call it; not unique
 * @property {string} [Metadata] of the application
 * @property {'anchor' | 'audience'} Role anchor, audience
 * @property {Array<'enter' | 'create' | 'send_audio' | 'recv_audio' | 'send_video' | 'recv_video' |
 * 'send_screen' | 'recv_screen' | 'send_message' | 'admin'>} Rights enter, create, send_audio,
 * recv_audio, send_video, recv_video, send_screen, recv_screen, send_message, admin
 * @property {'none' | 'both' | 'audio' | 'video'} Block none, both, audio or video
 * @property {Array<Stream>} Streams what it publishes
 * @property {Received} Received what was forwarded to it
 * @property {number} RttMs rounded up; 0: not known
 * @property {number} SinceMs Unix time
 * @property {number} LastHeardMs Unix time of the last sign of life
 * @property {boolean} Connected
 * @property {boolean} MediaOnly WHIP or WHEP
 * @property {string} SessionId
 * @property {Array<Undecodable>} [Undecodable] streams of which nothing can be sent to the user, as its
 * client has offered no codec that decodes them
 * @property {Array<Paused>} [Paused] pictures that its network does not carry at present
 * @property {Network} Network the one to the user
 * @property {string} [Address] from which the user has entered, or resumed
 * @property {string} [UserAgent] what its browser or program calls itself: at most 256 bytes that the
 * client has chosen
 * @property {Way} Media
 * @property {Direction} Up its network, towards the node
 * @property {Direction} Down its network, from the node
 */
/**
 * @typedef {object} DescribeRoomResponse
 * @property {number} [RoomId] the room, where it has a number; exactly one of RoomId and StrRoomId is
 * given
 * @property {string} [StrRoomId] the room, where it has a name; number 123 and name 123 are two rooms
 * @property {'call' | 'live'} Scene call, live
 * @property {number} CreatedMs Unix time
 * @property {number} Users
 * @property {number} Anchors
 * @property {number} Viewers the audience of a live room
 * @property {number} Publishers users who publish something that is on
 * @property {number} Poor users whose network is poor or worse, in either direction
 * @property {string} Node
 * @property {string} [Shedding] what the room leaves out at the moment as it does not keep up: top_layer,
 * layers, mid_quality, low_quality, half, most or video
 * @property {Array<User>} UserList
 * @property {string} [Next]
 * @property {number} TimeMs Unix time at which the counters were read
 */
/**
 * @typedef {object} DescribeUserRequest
 * @property {number} [RoomId] the room, where it has a number; exactly one of RoomId and StrRoomId is
 * given
 * @property {string} [StrRoomId] the room, where it has a name; number 123 and name 123 are two rooms
 * @property {string} UserId
 * @property {string} [After] the Next of the page before
 * @property {number} [Limit] 1–1000, default 100
 */
/**
 * @typedef {object} Layer
 * @property {string} Source camera, screen, mic or screen-audio
 * @property {string} [Rid] of a simulcast layer
 * @property {boolean} Live it brings packets
 * @property {boolean} [Off] nobody wants it, and its publisher was told so
 * @property {number} [Area] width times height of its pictures; missing: not known
 * @property {number} Packets
 * @property {number} Bytes
 * @property {number} Lost packets missing on the way to the node, repairs not counted; negative with
 * duplicates
 * @property {number} JitterMs
 * @property {number} Viewers users that it is sent to
 * @property {Array<string>} [SeenBy] their ids, at most 100
 */
/**
 * @typedef {object} View
 * @property {string} UserId whose
 * @property {string} Source
 * @property {string} State live; switching: waits for a keyframe; paused: the network does not carry it;
 * off: there is nothing to send
 * @property {number} Layer that is sent, by its place from the lowest on
 * @property {string} [Codec]
 * @property {boolean} [Hidden] the client does not show it, and gets nothing
 * @property {number} Packets
 * @property {number} Bytes of payload
 * @property {number} Resent
 * @property {number} Lost as it reports
 * @property {number} JitterMs as it reports
 */
/**
 * @typedef {object} UserInRoom
 * @property {number} [RoomId] the room, where it has a number; exactly one of RoomId and StrRoomId is
 * given
 * @property {string} [StrRoomId] the room, where it has a name; number 123 and name 123 are two rooms
 * @property {string} Node
 * @property {string} UserId
 * @property {string} [Name] what people call it; not unique
 * @property {string} [Metadata] of the application
 * @property {'anchor' | 'audience'} Role anchor, audience
 * @property {Array<'enter' | 'create' | 'send_audio' | 'recv_audio' | 'send_video' | 'recv_video' |
 * 'send_screen' | 'recv_screen' | 'send_message' | 'admin'>} Rights enter, create, send_audio,
 * recv_audio, send_video, recv_video, send_screen, recv_screen, send_message, admin
 * @property {'none' | 'both' | 'audio' | 'video'} Block none, both, audio or video
 * @property {Array<Stream>} Streams what it publishes
 * @property {Received} Received what was forwarded to it
 * @property {number} RttMs rounded up; 0: not known
 * @property {number} SinceMs Unix time
 * @property {number} LastHeardMs Unix time of the last sign of life
 * @property {boolean} Connected
 * @property {boolean} MediaOnly WHIP or WHEP
 * @property {string} SessionId
 * @property {Array<Undecodable>} [Undecodable] streams of which nothing can be sent to the user, as its
 * client has offered no codec that decodes them
 * @property {Array<Paused>} [Paused] pictures that its network does not carry at present
 * @property {Network} Network the one to the user
 * @property {string} [Address] from which the user has entered, or resumed
 * @property {string} [UserAgent] what its browser or program calls itself: at most 256 bytes that the
 * client has chosen
 * @property {Way} Media
 * @property {Direction} Up its network, towards the node
 * @property {Direction} Down its network, from the node
 * @property {Array<Layer>} Layers what it publishes, layer by layer
 * @property {Array<View>} Views what it is sent of others
 */
/**
 * @typedef {object} DescribeUserResponse
 * @property {Array<UserInRoom>} Rooms
 * @property {string} [Next]
 * @property {number} TimeMs Unix time at which the counters were read
 * @property {Array<string>} [NodesMissing] nodes that have not answered, whose rooms are missing
 */
/**
 * @typedef {object} DismissRoomRequest
 * @property {number} [RoomId] the room, where it has a number; exactly one of RoomId and StrRoomId is
 * given
 * @property {string} [StrRoomId] the room, where it has a name; number 123 and name 123 are two rooms
 * @property {number} [SdkAppId] number of the application, which has to be among the node's keys; it can
 * be left out
 * @property {string} [Reason] passed to the users; at most 256 bytes
 */
/**
 * @typedef {object} DismissRoomResponse
 * @property {number} Users how many were put out
 */
/**
 * @typedef {object} DismissRoomByStrRoomIdRequest
 * @property {string} [RoomId] the room, where it has a name; number 123 and name 123 are two rooms
 * @property {string} [StrRoomId] the room, where it has a name; number 123 and name 123 are two rooms
 * @property {number} [SdkAppId] number of the application, which has to be among the node's keys; it can
 * be left out
 * @property {string} [Reason] passed to the users; at most 256 bytes
 */
/**
 * @typedef {object} DrainNodeRequest
 * @property {string} [NodeId] the node's name; needed where there are several
 * @property {number} [DeadlineSeconds] until the node ends whatever goes on in it; 0: ten minutes, or as
 * was said before where it drains already
 */
/**
 * @typedef {object} DrainNodeResponse
 * @property {string} Node
 * @property {boolean} Draining
 * @property {number} DrainEndsMs Unix time at which it ends at the latest
 * @property {number} Rooms that are left
 * @property {number} Participants
 */
/**
 * @typedef {object} ListEventsRequest
 * @property {number} [RoomId] the room, where it has a number; exactly one of RoomId and StrRoomId is
 * given
 * @property {string} [StrRoomId] the room, where it has a name; number 123 and name 123 are two rooms
 * @property {string} [UserId] only events of this user
 * @property {number} [Limit] 1–1000, default 100
 */
/**
 * @typedef {object} Event
 * @property {number} [RoomId] the room, where it has a number; exactly one of RoomId and StrRoomId is
 * given
 * @property {string} [StrRoomId] the room, where it has a name; number 123 and name 123 are two rooms
 * @property {string} Id
 * @property {number} TimeMs Unix time
 * @property {number} Type 101 to 206, as of the feed of events
 * @property {string} Node
 * @property {string} [UserId]
 * @property {string} [Name] display name, of 103 and 106
 * @property {'anchor' | 'audience'} [Role] anchor, audience
 * @property {number} [Reason] 1 to 6, as of the feed of events
 * @property {string} [Text] the reason that a command gave
 */
/**
 * @typedef {object} ListEventsResponse
 * @property {Array<Event>} Events
 * @property {Array<string>} [NodesMissing] nodes that have not answered, whose events are missing
 */
/**
 * @typedef {object} ListRefusalsRequest
 * @property {string} [NodeId] the node's name; without it all nodes
 */
/**
 * @typedef {object} Refusal
 * @property {string} Node
 * @property {number} TimeMs Unix time, of the latest one
 * @property {number} Times how often the same was refused
 * @property {string} Door websocket, whip, whep or admin
 * @property {string} Reason the name of the error, or too_often
 * @property {string} [Address] of the client
 * @property {string} [Room] key of the room: s: and its name, or n: and its number
 * @property {string} [UserId]
 * @property {string} [Field] of the request
 * @property {string} [Why] missing for bad requests, which may quote what was shown
 */
/**
 * @typedef {object} ListRefusalsResponse
 * @property {Array<Refusal>} Refusals
 * @property {Array<string>} [NodesMissing] nodes that have not answered
 */
/**
 * @typedef {object} ListRoomsRequest
 * @property {string} [Prefix] of the name, or of the digits of the number
 * @property {'call' | 'live'} [Scene] only rooms of this scene; call, live
 * @property {string} [Contains] a part of the name, or of the digits of the number, in capital letters or
 * small ones
 * @property {'users' | 'publishers' | 'poor' | 'newest'} [Order] users, publishers or poor: rooms with
 * the most of them first; newest: rooms that were made last first; without it by room keys
 * @property {string} [After] the Next of the page before
 * @property {number} [Limit] 1–1000, default 100
 */
/**
 * @typedef {object} Room
 * @property {number} [RoomId] the room, where it has a number; exactly one of RoomId and StrRoomId is
 * given
 * @property {string} [StrRoomId] the room, where it has a name; number 123 and name 123 are two rooms
 * @property {'call' | 'live'} Scene call, live
 * @property {number} CreatedMs Unix time
 * @property {number} Users
 * @property {number} Anchors
 * @property {number} Viewers the audience of a live room
 * @property {number} Publishers users who publish something that is on
 * @property {number} Poor users whose network is poor or worse, in either direction
 * @property {string} Node
 * @property {string} [Shedding] what the room leaves out at the moment as it does not keep up: top_layer,
 * layers, mid_quality, low_quality, half, most or video
 */
/**
 * @typedef {object} ListRoomsResponse
 * @property {Array<Room>} Rooms
 * @property {number} Total rooms on all pages
 * @property {string} [Next]
 * @property {Array<string>} [NodesMissing] nodes that have not answered, whose rooms are missing
 */
/**
 * @typedef {object} RemoveUserRequest
 * @property {number} [RoomId] the room, where it has a number; exactly one of RoomId and StrRoomId is
 * given
 * @property {string} [StrRoomId] the room, where it has a name; number 123 and name 123 are two rooms
 * @property {number} [SdkAppId] number of the application, which has to be among the node's keys; it can
 * be left out
 * @property {Array<string>} UserIds 1–10
 * @property {number} [BanSeconds] for as long they cannot enter again
 * @property {string} [Reason] passed to the users; at most 256 bytes
 */
/**
 * @typedef {object} RemovedUser
 * @property {string} UserId
 * @property {string} Result removed, or not_in_room
 */
/**
 * @typedef {object} RemoveUserResponse
 * @property {Array<RemovedUser>} Users
 */
/**
 * @typedef {object} RemoveUserByStrRoomIdRequest
 * @property {string} [RoomId] the room, where it has a name; number 123 and name 123 are two rooms
 * @property {string} [StrRoomId] the room, where it has a name; number 123 and name 123 are two rooms
 * @property {number} [SdkAppId] number of the application, which has to be among the node's keys; it can
 * be left out
 * @property {Array<string>} UserIds 1–10
 * @property {number} [BanSeconds] for as long they cannot enter again
 * @property {string} [Reason] passed to the users; at most 256 bytes
 */
/**
 * @typedef {object} SendMessageRequest
 * @property {number} [RoomId] the room, where it has a number; exactly one of RoomId and StrRoomId is
 * given
 * @property {string} [StrRoomId] the room, where it has a name; number 123 and name 123 are two rooms
 * @property {Array<string>} [UserIds] to whom, 1–10; without it to all in the room
 * @property {number} CmdId 1–10, which of the application's kinds
 * @property {string} [Data] the payload in base64, at most 1000 bytes of it; exactly one of Data and Text
 * is given
 * @property {string} [Text] the payload as text, at most 1000 bytes in UTF-8
 * @property {boolean} [Unreliable] rather lost than late
 */
/**
 * @typedef {object} SendMessageResponse
 * @property {number} Delivered users to whom it was handed, or for whom it is kept until they are
 * connected again
 * @property {number} Missed of those meant: not in the room, without a way to be reached, or not keeping
 * up
 */
/**
 * @typedef {object} SetUserBlockedRequest
 * @property {number} [RoomId] the room, where it has a number; exactly one of RoomId and StrRoomId is
 * given
 * @property {string} [StrRoomId] the room, where it has a name; number 123 and name 123 are two rooms
 * @property {number} [SdkAppId] number of the application, which has to be among the node's keys; it can
 * be left out
 * @property {string} UserId
 * @property {'none' | 'both' | 'audio' | 'video'} Block none, both, audio or video; replaces the one
 * before
 */
/**
 * @typedef {object} SetUserBlockedResponse
 * @property {string} UserId
 * @property {'none' | 'both' | 'audio' | 'video'} Block none, both, audio, video
 */
/**
 * @typedef {object} UpdateUserRequest
 * @property {number} [RoomId] the room, where it has a number; exactly one of RoomId and StrRoomId is
 * given
 * @property {string} [StrRoomId] the room, where it has a name; number 123 and name 123 are two rooms
 * @property {string} UserId
 * @property {string} [Name] the display name, whatever the user and its token say; empty: they say it
 * again; without it nothing changes
 * @property {string} [Metadata] of the application, at most 2048 bytes; likewise
 */
/**
 * @typedef {object} UpdateUserResponse
 * @property {string} UserId
 * @property {string} Name
 * @property {string} Metadata
 */
/**
 * @typedef {object} FeedEvent
 * @property {string} id
 * @property {number} type
 * @property {number} timeMs
 * @property {string} node
 * @property {string | number} room
 * @property {string} [user]
 * @property {string} [name]
 * @property {string} [role]
 * @property {number} [reason]
 * @property {string} [text]
 * @property {string} [by]
 */
/** The commands of a node. `Node` carries them out. */
export declare class Commands {
    /**
     * Gives a command by its name.
     * @param {string} action
     * @param {object} request
     * @returns {Promise<any>} the answer
     */
    do(action: string, request: object): Promise<any>;
    /**
     * Show what nodes have had to do in the last quarter of an hour.
     * @param {DescribeHistoryRequest} request
     * @returns {Promise<DescribeHistoryResponse>}
     */
    describeHistory(request: DescribeHistoryRequest): Promise<DescribeHistoryResponse>;
    /**
     * Show what nodes have to do.
     * @param {DescribeNodeRequest} request
     * @returns {Promise<DescribeNodeResponse>}
     */
    describeNode(request: DescribeNodeRequest): Promise<DescribeNodeResponse>;
    /**
     * Show a room and, a page at a time, who is in it.
     * @param {DescribeRoomRequest} request
     * @returns {Promise<DescribeRoomResponse>}
     */
    describeRoom(request: DescribeRoomRequest): Promise<DescribeRoomResponse>;
    /**
     * Show a user in one room, or in every room that it is in.
     * @param {DescribeUserRequest} request
     * @returns {Promise<DescribeUserResponse>}
     */
    describeUser(request: DescribeUserRequest): Promise<DescribeUserResponse>;
    /**
     * Put everybody out of a room and end it.
     * @param {DismissRoomRequest} request
     * @returns {Promise<DismissRoomResponse>}
     */
    dismissRoom(request: DismissRoomRequest): Promise<DismissRoomResponse>;
    /**
     * Put everybody out of a room that is named by a string, and end it.
     * @param {DismissRoomByStrRoomIdRequest} request
     * @returns {Promise<DismissRoomResponse>}
     */
    dismissRoomByStrRoomId(request: DismissRoomByStrRoomIdRequest): Promise<DismissRoomResponse>;
    /**
     * Have a node take no new rooms, wait for those that it has, and end.
     * @param {DrainNodeRequest} request
     * @returns {Promise<DrainNodeResponse>}
     */
    drainNode(request: DrainNodeRequest): Promise<DrainNodeResponse>;
    /**
     * List the latest events of rooms and users that nodes remember.
     * @param {ListEventsRequest} request
     * @returns {Promise<ListEventsResponse>}
     */
    listEvents(request: ListEventsRequest): Promise<ListEventsResponse>;
    /**
     * List who was refused of late at the doors of nodes, and why.
     * @param {ListRefusalsRequest} request
     * @returns {Promise<ListRefusalsResponse>}
     */
    listRefusals(request: ListRefusalsRequest): Promise<ListRefusalsResponse>;
    /**
     * List rooms, a page at a time.
     * @param {ListRoomsRequest} request
     * @returns {Promise<ListRoomsResponse>}
     */
    listRooms(request: ListRoomsRequest): Promise<ListRoomsResponse>;
    /**
     * Put users out of a room.
     * @param {RemoveUserRequest} request
     * @returns {Promise<RemoveUserResponse>}
     */
    removeUser(request: RemoveUserRequest): Promise<RemoveUserResponse>;
    /**
     * Put users out of a room that is named by a string.
     * @param {RemoveUserByStrRoomIdRequest} request
     * @returns {Promise<RemoveUserResponse>}
     */
    removeUserByStrRoomId(request: RemoveUserByStrRoomIdRequest): Promise<RemoveUserResponse>;
    /**
     * Send a custom message to users of a room, or to all of them.
     * @param {SendMessageRequest} request
     * @returns {Promise<SendMessageResponse>}
     */
    sendMessage(request: SendMessageRequest): Promise<SendMessageResponse>;
    /**
     * Have a user's sound, pictures or both forwarded to nobody, or again.
     * @param {SetUserBlockedRequest} request
     * @returns {Promise<SetUserBlockedResponse>}
     */
    setUserBlocked(request: SetUserBlockedRequest): Promise<SetUserBlockedResponse>;
    /**
     * Set what a user is called, and what is said of it.
     * @param {UpdateUserRequest} request
     * @returns {Promise<UpdateUserResponse>}
     */
    updateUser(request: UpdateUserRequest): Promise<UpdateUserResponse>;
}
/** The types of events. */
export declare const EventType: Readonly<{
    ROOM_CREATED: 101;
    ROOM_DISMISSED: 102;
    USER_ENTERED: 103;
    USER_LEFT: 104;
    ROLE_CHANGED: 105;
    USER_UPDATED: 106;
    VIDEO_STARTED: 201;
    VIDEO_STOPPED: 202;
    AUDIO_STARTED: 203;
    AUDIO_STOPPED: 204;
    SCREEN_STARTED: 205;
    SCREEN_STOPPED: 206;
}>;
/** The reasons of events. */
export declare const Reason: Readonly<{
    NORMAL: 1;
    TIMEOUT: 2;
    REMOVED: 3;
    REPLACED: 4;
    SHUTDOWN: 5;
    EXPIRED: 6;
}>;
/** The rights of tokens. */
export declare const RIGHTS: readonly string[];
/** What an ordinary user needs. */
export declare const MEMBER_RIGHTS: readonly string[];
