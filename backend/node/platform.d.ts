// The few names of Node that the package uses, so that its types are checked without those of a dependency.
declare module 'node:crypto' {
  interface Hmac {
    update(data: string | Uint8Array): Hmac;
    digest(encoding: 'base64url'): string;
    digest(): Uint8Array;
  }
  export function createHmac(algorithm: string, key: string | Uint8Array): Hmac;
  export function timingSafeEqual(a: Uint8Array, b: Uint8Array): boolean;
}
interface Buffer extends Uint8Array {
  toString(encoding?: 'base64url' | 'utf8'): string;
}
declare const Buffer: {
  from(data: string | Uint8Array, encoding?: 'hex' | 'utf8' | 'base64url'): Buffer;
  concat(list: Uint8Array[]): Buffer;
};
interface Answer {
  status: number;
  headers: { get(name: string): string | null };
  body: AsyncIterable<Uint8Array> | null;
}
declare function fetch(url: string, options: object): Promise<Answer>;
declare class AbortSignal {
  static timeout(ms: number): AbortSignal;
}
