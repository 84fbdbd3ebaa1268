// A call as a card: who it is, how it goes and sounds, and what can be done with it.
import { Level } from "./sound";
import type { Desk, Line } from "./desk";
import { type IconName, el, icon, show, write } from "./dom";
import { keypad } from "./keypad";
import { endOf } from "./problems";
import { type Word, howLong, say } from "./words";

type Panel = "none" | "keypad" | "transfer";

export class Card {
  readonly element: HTMLElement;
  private readonly state = el("p", { class: "state", role: "status" });
  private readonly timer = el("time", { class: "timer" });
  private readonly remark = el("p", { class: "remark", role: "status" });
  private readonly buttons = new Map<string, HTMLButtonElement>();
  private readonly keys: HTMLElement;
  private readonly target = el("input", { inputmode: "tel", autocomplete: "off", "aria-label": say("transferTo"), placeholder: say("transferTo") });
  private readonly transfer: HTMLElement;
  private readonly others = el("div", { class: "others" });
  private readonly grade = el("span", { class: "grade" });
  private readonly figures = el("span", { class: "figures" });
  private readonly quality = el("div", { class: "quality" }, this.grade, this.figures);
  private readonly meters: [HTMLElement, HTMLElement] = [meter(), meter()];
  private readonly sound = el(
    "div",
    { class: "sound", "aria-hidden": "true" },
    el("span", {}, say("you")), this.meters[0], el("span", {}, say("them")), this.meters[1],
  );
  private levels: [Level | null, Level | null] = [null, null];
  private panel: Panel = "none";
  private shownOthers = "";

  constructor(
    private readonly desk: Desk,
    readonly line: Line,
  ) {
    const { session } = line;
    const shown = session.name || session.target || say("unknown");
    this.keys = keypad((key) => session.sendKey(key));
    this.transfer = this.transferPanel();
    this.element = el(
      "article",
      { class: "card", "aria-label": shown, "data-number": session.target },
      el(
        "header",
        {},
        el("span", { class: "face", "aria-hidden": "true" }, session.name ? session.name.slice(0, 1).toUpperCase() : icon("call")),
        el("div", { class: "who" }, el("h3", {}, shown), session.name && el("p", { class: "number" }, session.target), this.state),
        this.timer,
      ),
      this.remark,
      this.sound,
      this.quality,
      this.actions(),
      this.keys,
      this.transfer,
    );
    this.update();
  }

  /** Opens what is pressed by a shortcut. */
  open(panel: Panel): void {
    this.panel = this.panel === panel ? "none" : panel;
    this.update();
    if (this.panel === "transfer") this.target.focus();
  }

  update(): void {
    const { session } = this.line;
    const talking = session.state === "talking";
    if (!talking) this.panel = "none";
    this.element.dataset["state"] = talking && session.heldHere ? "held" : session.state;
    this.element.classList.toggle("searching", session.searching);
    write(this.state, this.stateText());
    write(this.timer, session.since ? howLong(Date.now() - session.since) : "");
    const note = session.transferring ? `${say("transferring")} ${session.transferring}…` : this.line.remark ? say(this.line.remark) : "";
    write(this.remark, note);
    show(this.remark, note !== "");
    this.enable("answer", session.state === "ringing");
    this.enable("hold", talking);
    this.enable("mute", talking);
    this.enable("keypad", talking && !session.heldHere);
    this.enable("transfer", talking);
    this.enable("end", session.state !== "ended");
    this.label("hold", session.heldHere ? "resume" : "hold", session.heldHere ? "resume" : "hold");
    this.label("mute", session.muted ? "muted" : "mute", session.muted ? "unmute" : "mute");
    this.label("end", "end", session.state === "ringing" ? "refuse" : "hangUp");
    for (const [name, pressed] of [["hold", session.heldHere], ["mute", session.muted], ["keypad", this.panel === "keypad"], ["transfer", this.panel === "transfer"]] as const) {
      this.buttons.get(name)?.setAttribute("aria-pressed", String(pressed));
    }
    show(this.keys, this.panel === "keypad");
    show(this.transfer, this.panel === "transfer");
    show(this.sound, talking && !session.heldHere);
    show(this.quality, talking && !session.heldHere && !session.searching);
    this.showQuality();
    this.showOthers();
    if (session.state === "ended") this.end();
  }

  /** Moves the meters; many times a second. */
  listen(): void {
    const { session } = this.line;
    if (session.state !== "talking") return;
    this.levels[0] = levelOf(this.levels[0], session.local());
    this.levels[1] = levelOf(this.levels[1], session.remote);
    this.levels.forEach((level, i) => this.meters[i as 0 | 1].style.setProperty("--level", String(level?.now() ?? 0)));
  }

  /** It is shown no more. */
  end(): void {
    for (const level of this.levels) level?.end();
    this.levels = [null, null];
  }

  private stateText(): string {
    const { session } = this.line;
    switch (session.state) {
      case "ringing":
        return say(this.desk.lines.some((other) => other.session.state === "talking") ? "waiting" : "incoming");
      case "calling":
        return say(session.direction === "in" || session.since ? "connectingCall" : "calling");
      case "ended":
        return endOf(session.cause);
      case "talking":
        if (session.searching) return say("searching");
        if (session.heldHere) return say("onHold");
        return say(session.heldThere ? "heldThere" : "talking");
    }
  }

  private actions(): HTMLElement {
    const { line, desk } = this;
    const { session } = line;
    const button = (name: string, picture: IconName, word: Word, key: string, run: () => void) => {
      const made = el(
        "button",
        { type: "button", class: `action act-${name}`, "data-act": name, onclick: run, "aria-keyshortcuts": key },
        icon(picture),
        el("span", {}, say(word)),
        el("kbd", { "aria-hidden": "true" }, key),
      );
      this.buttons.set(name, made);
      return made;
    };
    return el(
      "div",
      { class: "actions" },
      button("answer", "call", "answer", "A", () => void desk.answer(line)),
      button("hold", "hold", "hold", "H", () => desk.toggleHold(line)),
      button("mute", "mute", "mute", "M", () => session.mute(!session.muted)),
      button("keypad", "keypad", "keypad", "K", () => this.open("keypad")),
      button("transfer", "transfer", "transfer", "T", () => this.open("transfer")),
      button("end", "end", "hangUp", session.state === "ringing" ? "R" : "E", () => session.hangup()),
    );
  }

  private transferPanel(): HTMLElement {
    const { session } = this.line;
    const number = () => this.target.value.replace(/[\s()-]/g, "");
    const send = (event: Event) => {
      event.preventDefault();
      if (!number()) return this.target.focus();
      session.transfer(number());
    };
    const ask = () => {
      if (!number()) return this.target.focus();
      this.panel = "none";
      this.desk.ask(this.line, number());
    };
    return el(
      "form",
      { class: "transfer", onsubmit: send },
      this.others,
      this.target,
      el("button", { class: "primary", "data-act": "transfer-now" }, say("transferNow")),
      el("button", { type: "button", "data-act": "ask-first", onclick: ask }, say("askFirst")),
    );
  }

  /** A call that can be put together with this one; first of all the one it was made for. */
  private showOthers(): void {
    const { session, asksFor } = this.line;
    const others = this.desk.lines.filter((other) => other !== this.line && other.session.state === "talking");
    const offered = asksFor && others.includes(asksFor) && session.state === "talking" ? [asksFor] : [];
    const shown = others.map((other) => other.session.id).join() + offered.length + session.state;
    if (shown === this.shownOthers) return;
    this.shownOthers = shown;
    const joins = (other: Line) =>
      el(
        "button",
        { type: "button", class: "primary join", "data-act": "join", onclick: () => this.join(other) },
        icon("join"),
        `${say("connectBoth")} ${other.session.name || other.session.target}`,
      );
    this.others.replaceChildren(...others.map(joins));
    this.element.querySelector(":scope > .consult")?.remove();
    if (offered[0]) this.element.append(el("div", { class: "consult" }, joins(offered[0])));
  }

  /** The party that waits is sent to the one that was asked. */
  private join(other: Line): void {
    if (this.line.asksFor === other) this.desk.join(other, this.line);
    else this.desk.join(this.line, other);
  }

  private showQuality(): void {
    const measured = this.line.quality;
    const mos = measured?.mos ?? null;
    const word: Word = mos === null ? "measuring" : mos >= 4 ? "good" : mos >= 3.3 ? "fair" : "poor";
    this.quality.dataset["grade"] = word;
    write(this.grade, mos === null ? say("measuring") : `${say(word)} · MOS ${mos.toFixed(1)}`);
    write(this.figures, measured === null ? "" : [
      `${say("loss")} ${measured.lossPercent.toFixed(1)} %`,
      `${say("jitter")} ${measured.jitterMs.toFixed(0)} ms`,
      measured.rttMs === null ? "" : `${say("roundTrip")} ${measured.rttMs.toFixed(0)} ms`,
      measured.codec,
    ].filter(Boolean).join(" · "));
  }

  private enable(name: string, shown: boolean): void {
    const button = this.buttons.get(name);
    if (button) show(button, shown);
  }

  private label(name: string, picture: IconName, word: Word): void {
    const button = this.buttons.get(name);
    if (!button || button.dataset["word"] === word) return;
    button.dataset["word"] = word;
    button.querySelector("svg")?.replaceWith(icon(picture));
    button.querySelector("span")!.textContent = say(word);
    if (name === "end") {
      const key = word === "refuse" ? "R" : "E";
      button.querySelector("kbd")!.textContent = key;
      button.setAttribute("aria-keyshortcuts", key);
    }
  }
}

function meter(): HTMLElement {
  return el("i", { class: "meter" });
}

function levelOf(old: Level | null, stream: MediaStream | null): Level | null {
  const same = old && stream && old.stream.getAudioTracks()[0]?.id === stream.getAudioTracks()[0]?.id;
  if (same) return old;
  old?.end();
  return stream && stream.getAudioTracks().length > 0 ? new Level(stream) : null;
}
