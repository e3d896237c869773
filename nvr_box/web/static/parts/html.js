// Preact and htm as the page uses them: no build, so templates are parsed where they run.
import htm from "../vendor/htm.js";
import { createElement } from "../vendor/preact.js";

export { render } from "../vendor/preact.js";
export { useEffect, useRef, useState } from "../vendor/preact-hooks.js";
export const html = htm.bind(createElement);
