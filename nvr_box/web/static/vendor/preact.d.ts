export { createElement, render } from "preact";
