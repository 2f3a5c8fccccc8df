// The client for a script tag: the class is the global `Parlor`, and what a module exports beside it is on it.

import { ExitReason, Parlor, ParlorError, UserExitReason } from '../client/parlor.js';

Object.assign(globalThis, { Parlor: Object.assign(Parlor, { ParlorError, ExitReason, UserExitReason }) });
