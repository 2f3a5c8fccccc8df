// Does with the Node package what it is told on standard input, one JSON object a line.
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import * as parlor from '../../node/parlor.js';

const types = readFileSync(new URL('../../node/types/commands.d.ts', import.meta.url), 'utf8');

/** The fields of a type of the declarations, each with those in it. */
function fields(name) {
  const body = new RegExp(`export type ${name} = \\{\\n([^}]*)\\};`).exec(types)?.[1];
  const all = {};
  for (const [, field, type] of body?.matchAll(/^ {4}(\w+)\??: (.*);$/gm) ?? []) all[field] = fields(type.replace(/^Array<(.*)>$/, '$1'));
  return all;
}

/** The commands that have a method. */
function commands() {
  const all = {};
  for (const [, method, request, answer] of types.matchAll(/^ {4}(\w+)\(request: (\w+)\): Promise<(\w+)>;$/gm)) {
    if (typeof parlor.Node.prototype[method] !== 'function') continue;
    all[method[0].toUpperCase() + method.slice(1)] = { request: fields(request), answer: fields(answer) };
  }
  return all;
}

async function work(t) {
  const now = new Date(t.Now * 1000);
  switch (t.Do) {
    case 'token':
      return { token: parlor.createToken(t.Key, t.Grant, now) };
    case 'webhook':
      return { event: parlor.verifyWebhook(t.Header, Buffer.from(t.Body), t.Keys, now) };
    case 'command':
      return { answer: await new parlor.Node({ url: t.URL, key: t.Key || undefined })[t.Action[0].toLowerCase() + t.Action.slice(1)](t.Request) };
  }
  return { commands: commands(), event: fields('FeedEvent') };
}

for await (const line of createInterface({ input: process.stdin })) {
  let result;
  try {
    result = await work(JSON.parse(line));
  } catch (err) {
    const { code = 'none', field, status, message, retryAfter } = err;
    result = { error: { code, field, status, message, retryAfter } };
  }
  console.log(JSON.stringify(result));
}
