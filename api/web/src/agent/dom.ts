// Elements without markup: whatever a stranger calls himself stays text.

type Child = Node | string | null | undefined | false;
type Attributes = Record<string, string | boolean | number | null | undefined | ((event: any) => void)>;

/** An element; `on…` attributes are listeners, `true` is an attribute without value, and what is missing is left out. */
export function el<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, String(value));
  }
  element.append(...children.filter((child): child is Node | string => Boolean(child)));
  return element;
}

const PATHS = {
  call: "M6.6 10.8a15 15 0 0 0 6.6 6.6l2.2-2.2a1 1 0 0 1 1-.25 11.4 11.4 0 0 0 3.6.57 1 1 0 0 1 1 1V20a1 1 0 0 1-1 1A17 17 0 0 1 3 4a1 1 0 0 1 1-1h3.5a1 1 0 0 1 1 1c0 1.25.2 2.45.57 3.57a1 1 0 0 1-.25 1z",
  end: "M12 9c-1.6 0-3.15.25-4.6.72v3.1a1 1 0 0 1-.56.9c-.98.5-1.87 1.13-2.66 1.85a1 1 0 0 1-1.4-.02L.3 13.1a1 1 0 0 1 0-1.42A16.9 16.9 0 0 1 12 7c4.55 0 8.67 1.78 11.7 4.68a1 1 0 0 1 0 1.42l-2.48 2.45a1 1 0 0 1-1.4.02 11.3 11.3 0 0 0-2.66-1.85 1 1 0 0 1-.56-.9v-3.1A15.5 15.5 0 0 0 12 9z",
  hold: "M7 5h3.5v14H7zM13.5 5H17v14h-3.5z",
  resume: "M8 5v14l11-7z",
  mute: "M12 14a3 3 0 0 0 3-3V5a3 3 0 0 0-6 0v6a3 3 0 0 0 3 3zm5-3a5 5 0 0 1-10 0H5a7 7 0 0 0 6 6.9V21h2v-3.1A7 7 0 0 0 19 11z",
  muted: "M3.3 2 2 3.3l7 7v.7a3 3 0 0 0 4.6 2.5l1.5 1.5A5 5 0 0 1 7 11H5a7 7 0 0 0 6 6.9V21h2v-3.1a7 7 0 0 0 3.4-1.5l4.3 4.3 1.3-1.3zM15 11V5a3 3 0 0 0-5.9-.8l5.8 5.8zm4 0h-2c0 .5-.08 1-.2 1.4l1.5 1.5A7 7 0 0 0 19 11z",
  transfer: "M14 4l6 6-6 6v-4H4V8h10z",
  keypad: "M5 4h3v3H5zm5.5 0h3v3h-3zM16 4h3v3h-3zM5 9.5h3v3H5zm5.5 0h3v3h-3zm5.5 0h3v3h-3zM5 15h3v3H5zm5.5 0h3v3h-3zm5.5 0h3v3h-3z",
  sound: "M3 9v6h4l5 5V4L7 9zm13.5 3A4.5 4.5 0 0 0 14 8v8a4.5 4.5 0 0 0 2.5-4zM14 3.2v2.1a7 7 0 0 1 0 13.4v2.1a9 9 0 0 0 0-17.6z",
  keys: "M20 5H4a2 2 0 0 0-2 2v10a2 2 0 0 0 2 2h16a2 2 0 0 0 2-2V7a2 2 0 0 0-2-2zm-9 3h2v2h-2zm0 3h2v2h-2zM8 8h2v2H8zm0 3h2v2H8zm-1 2H5v-2h2zm0-3H5V8h2zm9 7H8v-2h8zm0-4h-2v-2h2zm0-3h-2V8h2zm3 3h-2v-2h2zm0-3h-2V8h2z",
  leave: "M10 17v-3H3v-4h7V7l5 5zm1-14h8a2 2 0 0 1 2 2v14a2 2 0 0 1-2 2h-8v-2h8V5h-8z",
  in: "M20 5.4 18.6 4 7 15.6V9H5v10h10v-2H8.4z",
  out: "M4 18.6 5.4 20 17 8.4V15h2V5H9v2h6.6z",
  missed: "M19.6 7 12 14.6 6.4 9H11V7H3v8h2v-4.6l7 7 9-9z",
  play: "M8 5v14l11-7z",
  again: "M17.6 6.4A8 8 0 1 0 19.7 14h-2.1A6 6 0 1 1 12 6c1.7 0 3.1.7 4.2 1.8L13 11h7V4z",
  back: "M22 5H8a2 2 0 0 0-1.6.8L1 12l5.4 6.2A2 2 0 0 0 8 19h14zm-3 10.6L17.6 17 15 14.4 12.4 17 11 15.6l2.6-2.6L11 10.4 12.4 9l2.6 2.6L17.6 9l1.4 1.4-2.6 2.6z",
  join: "M4 4h2v5a4 4 0 0 0 4 4h5.2l-2.6-2.6L14 9l5 5-5 5-1.4-1.4 2.6-2.6H10a6 6 0 0 1-6-6z",
} as const;

export type IconName = keyof typeof PATHS;

/** A drawing that says nothing to those who hear the page. */
export function icon(name: IconName): SVGElement {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(space, "path");
  path.setAttribute("d", PATHS[name]);
  svg.append(path);
  return svg;
}

/** Shows or hides. */
export function show(element: HTMLElement, shown: boolean): void {
  element.hidden = !shown;
}

/** Sets a text only if it changed: screen readers repeat what is written anew. */
export function write(element: HTMLElement, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}
