import { Commands } from './commands.js';
export * from './commands.js';
/** How far the time of a webhook's signature may be from now, in seconds. Remember the ids of events for as
 *  long: then nobody can send one again. */
export declare const WEBHOOK_TOLERANCE = 300;
/** The header with the signature of a webhook, as Node names headers. */
export declare const SIGNATURE_HEADER = "parlor-signature";
/** The code of a ParlorError if no node has answered. It cannot be told then whether the command was carried
 *  out. */
export declare const UNREACHABLE = "unreachable";
/** What a command or a webhook fails with. */
export declare class ParlorError extends Error {
    code: string;
    /** The field of the request that is at fault; '': none. */
    field: string;
    /** Of HTTP; 0: there was no answer. */
    status: number;
    /** In seconds; 0: the node does not say. */
    retryAfter: number;
    /** @type {unknown} */
    cause: unknown;
    /**
     * @param {string} code  a stable name, such as room_not_found; docs/protocol.md has all
     * @param {string} message  for people
     * @param {{field?: string, status?: number, retryAfter?: number, cause?: unknown}} [more]
     */
    constructor(code: string, message: string, { field, status, retryAfter, cause }?: {
        field?: string;
        status?: number;
        retryAfter?: number;
        cause?: unknown;
    });
}
export type Key = {
    id: string;
    secret: string;
};
/**
 * @typedef {object} Key
 * @property {string} id
 * @property {string} secret
 */
/**
 * Reads a key as `sfu key create` writes it, and as nodes read it: id:secret. The error never has the secret
 * in it.
 * @param {string} line
 * @returns {Key}
 */
export declare function parseKey(line: string): Key;
export type Grant = {
    /**
     * the only room it holds for, by its name or number: 123 and '123' are two
     * rooms; only with the right admin it may be left out
     */
    room?: string | number;
    /**
     * the only user it holds for; likewise
     */
    user?: string;
    /**
     * all but admin, if they are left out
     */
    rights?: readonly string[];
    /**
     * audience: the user may not become anchor
     */
    role?: 'audience' | 'anchor';
    /**
     * what people call the user, who cannot change it then
     */
    name?: string;
    /**
     * a text of the application about the user, which the others get; likewise
     */
    metadata?: string;
    /**
     * when it ends: a Date, or in how many seconds
     */
    expires: number | Date;
};
/**
 * What a token says.
 * @typedef {object} Grant
 * @property {string | number} [room]  the only room it holds for, by its name or number: 123 and '123' are two
 *   rooms; only with the right admin it may be left out
 * @property {string} [user]  the only user it holds for; likewise
 * @property {readonly string[]} [rights]  all but admin, if they are left out
 * @property {'audience' | 'anchor'} [role]  audience: the user may not become anchor
 * @property {string} [name]  what people call the user, who cannot change it then
 * @property {string} [metadata]  a text of the application about the user, which the others get; likewise
 * @property {number | Date} expires  when it ends: a Date, or in how many seconds
 */
/**
 * Makes a token: a JWT, signed with HS256.
 * @param {Key | string} key  a string is read by parseKey
 * @param {Grant} grant
 * @param {Date} [now]
 * @returns {string}
 */
export declare function createToken(key: Key | string, grant: Grant, now?: Date): string;
/** Gives commands to any node of a cluster; they reach the node that has the room. */
export declare class Node extends Commands {
    #private;
    /**
     * @param {object} options
     * @param {string} options.url  https://sfu.example.org
     * @param {Key | string} [options.key]  makes a short token with the right admin for each command
     * @param {string} [options.token]  in its place: such a token; a node without keys needs neither
     * @param {number} [options.timeout]  ms for each command; nodes give up after 10 s
     */
    constructor({ url, key, token, timeout }: {
        url: string;
        key?: Key | string;
        token?: string;
        timeout?: number;
    });
    /**
     * Gives a command by its name. What it fails with is a ParlorError.
     * @override
     * @param {string} action
     * @param {object} request
     * @returns {Promise<any>} the answer
     */
    do(action: string, request: object): Promise<any>;
}
/**
 * Checks that a request comes from a node, and returns its event. A ParlorError has the code
 * signature_invalid, or signature_expired if its time is too far from now.
 * @param {string | undefined} header  of SIGNATURE_HEADER
 * @param {Uint8Array | string} body  as it was received
 * @param {string | string[]} keys  webhook.key, and while it is changed the one before as well
 * @param {Date} [now]
 * @returns {import('./commands.js').FeedEvent}
 */
export declare function verifyWebhook(header: string | undefined, body: Uint8Array | string, keys: string | string[], now?: Date): import('./commands.js').FeedEvent;
