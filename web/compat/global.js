// For pages that load the other SDK by a script tag, which loads this in its place, as a module. Scripts that use
// `TRTC` have to be `defer` or modules, since a module runs after the page was read. The npm package has a file for
// any script.

import TRTC from './trtc.js';

Object.assign(globalThis, { TRTC });
