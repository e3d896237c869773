export { useEffect, useState } from "preact/hooks";
// Elements, players and times alike; the page holds what it likes in one.
export function useRef(initial?: any): { current: any };
