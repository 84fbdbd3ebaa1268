// The page of an agent who is logged in: the phone on the left, the calls in the middle, what is over on the right.
import type { Api, User } from "./api";
import { Card } from "./card";
import type { Desk, Standing } from "./desk";
import { SoundDialog, barButton, shortcutsDialog, shortcutsUsed } from "./dialogs";
import { el, icon, show, write } from "./dom";
import { History } from "./history";
import { keypad } from "./keypad";
import { isSilenced } from "./sound";
import { type Word, say } from "./words";

const METERS_MS = 80;
const CLOCK_MS = 1_000;

const STANDINGS: Record<Standing, Word> = {
  connecting: "connecting",
  ready: "ready",
  lost: "reconnecting",
  refused: "refused",
  elsewhere: "elsewhere",
  none: "noExtension",
};

export class App {
  readonly element: HTMLElement;
  private readonly standing = el("span", { class: "standing", role: "status", "data-of": "standing" });
  private readonly notice = el("div", { class: "notice", role: "alert", hidden: true });
  private readonly field = el("input", {
    id: "number", inputmode: "tel", autocomplete: "off", placeholder: say("numberHint"), "aria-label": say("number"),
  });
  private readonly callButton = el("button", { class: "primary call", "data-act": "call" }, icon("call"), say("call"));
  private readonly cards = el("div", { class: "cards" });
  private readonly nothing = el(
    "div",
    { class: "nothing" },
    icon("call"),
    el("p", {}, say("noCalls")),
    el("p", { class: "hint" }, say("noCallsHint")),
  );
  private shown: Card[] = [];
  private readonly history: History;
  private readonly sound: SoundDialog;
  private readonly help = shortcutsDialog();
  private readonly timers: number[];
  private readonly pressed = (event: KeyboardEvent) => this.key(event);

  constructor(
    private readonly desk: Desk,
    api: Api,
    private readonly user: User,
    extensionName: string,
    language: HTMLElement,
    logOut: () => void,
  ) {
    this.sound = new SoundDialog(desk);
    this.history = new History(api, user.extension, user.role !== "agent", (number) => void desk.dial(number));
    this.element = el(
      "div",
      { class: "app" },
      el("a", { class: "skip", href: "#calls" }, say("skip")),
      this.bar(extensionName, language, logOut),
      this.notice,
      el("main", {}, this.dialler(), this.calls(), this.history.element),
      this.sound.element,
      this.help,
    );
    desk.changed = () => this.update();
    desk.over = () => this.history.expect();
    document.addEventListener("keydown", this.pressed);
    this.timers = [
      window.setInterval(() => this.shown.forEach((card) => card.listen()), METERS_MS),
      window.setInterval(() => this.update(), CLOCK_MS),
    ];
    this.update();
  }

  /** Another view takes its place. */
  end(): void {
    document.removeEventListener("keydown", this.pressed);
    this.timers.forEach((timer) => clearInterval(timer));
    this.shown.forEach((card) => card.end());
    this.desk.changed = () => {};
    this.desk.over = () => {};
  }

  private bar(extensionName: string, language: HTMLElement, logOut: () => void): HTMLElement {
    const { user } = this;
    const who = [user.extension ?? user.username, extensionName].filter(Boolean).join(" · ");
    return el(
      "header",
      { class: "bar" },
      el("img", { src: "/agent/icon.svg", alt: "", width: 28, height: 28 }),
      el("h1", {}, `Patchbay ${say("title")}`),
      el("span", { class: "extension", title: say("extension") }, who),
      this.standing,
      el("span", { class: "space" }),
      barButton("sound", "sound", "sound", () => void this.sound.open()),
      barButton("keys", "shortcuts", "shortcuts", () => this.help.showModal()),
      language,
      barButton("leave", "logOut", "log-out", logOut),
    );
  }

  private dialler(): HTMLElement {
    const call = (event: Event) => {
      event.preventDefault();
      void this.desk.dial(this.field.value);
    };
    this.field.value = this.desk.typed;
    this.field.addEventListener("input", () => (this.desk.typed = this.field.value));
    const back = el("button", { type: "button", class: "plain", "aria-label": say("delete"), title: say("delete"), onclick: () => this.type(this.field.value.slice(0, -1)) }, icon("back"));
    return el(
      "section",
      { class: "dialler", "aria-labelledby": "dial" },
      el("h2", { id: "dial" }, say("dial"), el("kbd", { "aria-hidden": "true" }, "/")),
      el(
        "form",
        { onsubmit: call },
        el("div", { class: "field" }, this.field, back),
        keypad((key) => this.type(this.field.value + key)),
        this.callButton,
      ),
    );
  }

  private calls(): HTMLElement {
    return el(
      "section",
      { class: "calls", id: "calls", tabindex: "-1", "aria-labelledby": "calls-title" },
      el("h2", { id: "calls-title" }, say("calls")),
      this.nothing,
      this.cards,
    );
  }

  private type(text: string): void {
    this.desk.typed = text;
    this.field.value = text;
    this.field.focus();
  }

  private update(): void {
    const { desk } = this;
    this.standing.dataset["standing"] = desk.standing;
    write(this.standing, say(STANDINGS[desk.standing]));
    this.callButton.disabled = desk.standing !== "ready";
    if (this.field.value !== desk.typed) this.field.value = desk.typed;
    this.showNotice();
    this.showCards();
    show(this.nothing, desk.lines.length === 0);
    const ringing = desk.ringing()?.session;
    const title = ringing ? `☎ ${ringing.name || ringing.target}` : `Patchbay ${say("title")}`;
    if (document.title !== title) document.title = title;
  }

  private showNotice(): void {
    const silenced = this.desk.ringing() && isSilenced();
    const notice = this.desk.notice ?? (silenced ? { text: () => say("sayNoSound"), act: undefined } : null);
    show(this.notice, notice !== null);
    const text = notice?.text() ?? "";
    if (this.notice.dataset["text"] === text) return;
    this.notice.dataset["text"] = text;
    const act = notice?.act;
    this.notice.replaceChildren(el("p", {}, text), act ? el("button", { type: "button", class: "primary", "data-act": "notice", onclick: () => act.run() }, say(act.label)) : "");
  }

  private showCards(): void {
    const { lines } = this.desk;
    for (const card of this.shown.filter((card) => !lines.includes(card.line))) {
      card.end();
      card.element.remove();
    }
    this.shown = this.shown.filter((card) => lines.includes(card.line));
    for (const line of lines) {
      if (this.shown.some((card) => card.line === line)) continue;
      const card = new Card(this.desk, line);
      this.shown.push(card);
      // What rings comes first.
      if (line.session.state === "ringing") this.cards.prepend(card.element);
      else this.cards.append(card.element);
    }
    const current = this.desk.current();
    for (const card of this.shown) {
      card.update();
      card.element.classList.toggle("current", card.line === current);
    }
  }

  private key(event: KeyboardEvent): void {
    const at = event.target as HTMLElement;
    const typing = at.closest("input, select, textarea, dialog, audio") !== null;
    if (typing || event.ctrlKey || event.altKey || event.metaKey || event.isComposing || !shortcutsUsed()) return;
    if (this.act(event.key)) event.preventDefault();
  }

  private act(key: string): boolean {
    const { desk } = this;
    const line = desk.current();
    const session = line?.session;
    const talking = session?.state === "talking";
    if (/^[0-9*#]$/.test(key)) {
      if (session && talking && !session.heldHere) session.sendKey(key);
      else this.type(this.field.value + key);
      return true;
    }
    const card = this.shown.find((card) => card.line === line);
    const ringing = desk.ringing();
    switch (key.toLowerCase()) {
      case "/": this.field.focus(); return true;
      case "?": this.help.showModal(); return true;
      case "a": if (ringing) void desk.answer(ringing); return Boolean(ringing);
      case "r": ringing?.session.hangup(); return Boolean(ringing);
      case "e": session?.hangup(); return Boolean(session);
      case "h": if (line && talking) desk.toggleHold(line); return talking;
      case "m": if (session && talking) session.mute(!session.muted); return talking;
      case "k": if (talking) card?.open("keypad"); return talking;
      case "t": if (talking) card?.open("transfer"); return talking;
      default: return false;
    }
  }
}
