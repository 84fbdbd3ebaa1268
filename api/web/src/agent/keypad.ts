// Twelve keys, as on every telephone.
import { el } from "./dom";
import { say } from "./words";

const KEYS = ["1", "2", "3", "4", "5", "6", "7", "8", "9", "*", "0", "#"];
const LETTERS = ["", "ABC", "DEF", "GHI", "JKL", "MNO", "PQRS", "TUV", "WXYZ", "", "+", ""];

export function keypad(press: (key: string) => void): HTMLElement {
  const key = (name: string, i: number) =>
    el("button", { type: "button", "data-key": name, onclick: () => press(name) }, name, el("small", { "aria-hidden": "true" }, LETTERS[i]));
  return el("div", { class: "keypad", role: "group", "aria-label": say("keys") }, ...KEYS.map(key));
}
