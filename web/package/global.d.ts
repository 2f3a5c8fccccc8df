// Types of the global `Parlor` of parlor.global.js: /// <reference types="parlor-client/global" />
import { ExitReason as Reason, Parlor as Client, ParlorError as Err, UserExitReason as UserReason } from './index.js';

declare global {
  const Parlor: typeof Client & {
    readonly ParlorError: typeof Err;
    readonly ExitReason: typeof Reason;
    readonly UserExitReason: typeof UserReason;
  };
}
