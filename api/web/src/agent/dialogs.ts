// The dialogs: sound settings and shortcuts.
import type { Desk } from "./desk";
import { el, icon, show } from "./dom";
import { microphoneProblem } from "./problems";
import { CHOOSES_SPEAKER, Level, type SoundSettings, keepSoundSettings, openMicrophone, soundSettings } from "./sound";
import { type Word, say } from "./words";

const LEVEL_MS = 60;

function dialog(title: Word, name: string, ...content: HTMLElement[]): HTMLDialogElement {
  const close = el("button", { type: "submit", class: "plain", "aria-label": say("close"), title: say("close") }, "✕");
  const heading = `${name}-title`;
  return el(
    "dialog",
    { class: name, "aria-labelledby": heading },
    el("form", { method: "dialog" }, el("header", {}, el("h2", { id: heading }, say(title)), close), ...content),
  );
}

/** Which microphone, speaker and ringer, with the microphone's level while it is open. */
export class SoundDialog {
  readonly element: HTMLDialogElement;
  private readonly settings = soundSettings();
  private readonly meter = el("i", { class: "meter", role: "meter", "aria-label": say("level") });
  private readonly problem = el("p", { class: "problem", role: "alert", hidden: true });
  private readonly selects: Record<"microphone" | "speaker" | "ringer", HTMLSelectElement>;
  private level: Level | null = null;
  private timer = 0;
  private opened = 0;

  constructor(private readonly desk: Desk) {
    const select = (name: "microphone" | "speaker" | "ringer") =>
      el("select", { "data-device": name, onchange: () => void this.chosen(name) });
    this.selects = { microphone: select("microphone"), speaker: select("speaker"), ringer: select("ringer") };
    const test = (name: "speaker" | "ringer") =>
      el("button", { type: "button", onclick: () => this.desk.signal(this.settings[name]) }, say("test"));
    const check = (name: "echo" | "noise" | "gain", word: Word) => {
      const box = el("input", { type: "checkbox", "data-setting": name, onchange: () => void this.toggled(name, box.checked) });
      box.checked = this.settings[name];
      return el("label", { class: "check" }, box, say(word));
    };
    const field = (word: Word, ...content: HTMLElement[]) =>
      el("label", {}, el("span", {}, say(word)), el("div", { class: "row" }, ...content));
    this.element = dialog(
      "sound",
      "sound-dialog",
      this.problem,
      field("microphone", this.selects.microphone, this.meter),
      el("div", { class: "checks" }, check("echo", "echo"), check("noise", "noise"), check("gain", "gain")),
      field("speaker", this.selects.speaker, test("speaker")),
      field("ringer", this.selects.ringer, test("ringer")),
      CHOOSES_SPEAKER ? el("p", { hidden: true }) : el("p", { class: "hint" }, say("fixedSpeaker")),
    );
    this.element.addEventListener("close", () => this.shut());
  }

  async open(): Promise<void> {
    this.element.showModal();
    await this.listen();
    await this.list();
  }

  /** Opens the microphone for its level; only then do browsers tell the names of devices. */
  private async listen(): Promise<void> {
    this.shut();
    const opened = ++this.opened;
    try {
      const stream = await openMicrophone();
      if (opened !== this.opened || !this.element.open) return stream.getTracks().forEach((track) => track.stop());
      this.level = new Level(stream);
      show(this.problem, false);
      this.timer = window.setInterval(() => this.measure(), LEVEL_MS);
    } catch (error) {
      this.problem.textContent = microphoneProblem(error);
      show(this.problem, true);
    }
  }

  private measure(): void {
    const level = this.level?.now() ?? 0;
    this.meter.style.setProperty("--level", String(level));
    this.meter.setAttribute("aria-valuenow", String(Math.round(100 * level)));
  }

  private async list(): Promise<void> {
    const devices = (await navigator.mediaDevices?.enumerateDevices()) ?? [];
    const fill = (name: keyof SoundDialog["selects"], kind: MediaDeviceKind) => {
      const found = devices.filter((d) => d.kind === kind && d.deviceId && !["default", "communications"].includes(d.deviceId));
      const options = found.map((d, i) => el("option", { value: d.deviceId }, d.label || `${say(name)} ${i + 1}`));
      this.selects[name].replaceChildren(el("option", { value: "" }, say("standard")), ...options);
      this.selects[name].value = found.some((d) => d.deviceId === this.settings[name]) ? this.settings[name] : "";
    };
    fill("microphone", "audioinput");
    fill("speaker", "audiooutput");
    fill("ringer", "audiooutput");
    this.selects.speaker.disabled = this.selects.ringer.disabled = !CHOOSES_SPEAKER;
  }

  private async chosen(name: "microphone" | "speaker" | "ringer"): Promise<void> {
    this.settings[name] = this.selects[name].value;
    await this.changed(name === "microphone");
  }

  private async toggled(name: "echo" | "noise" | "gain", on: boolean): Promise<void> {
    this.settings[name] = on;
    await this.changed(true);
  }

  private async changed(input: boolean): Promise<void> {
    keepSoundSettings({ ...this.settings } satisfies SoundSettings);
    if (input) await this.listen();
    await this.desk.soundChanged();
  }

  private shut(): void {
    this.opened++;
    clearInterval(this.timer);
    this.level?.end();
    this.level?.stream.getTracks().forEach((track) => track.stop());
    this.level = null;
    this.meter.style.setProperty("--level", "0");
  }
}

const USED = "patchbay.shortcuts";

export function shortcutsUsed(): boolean {
  return localStorage.getItem(USED) !== "off";
}

/** What the keys do; they can be turned off, for those who dictate (WCAG 2.1.4). */
export function shortcutsDialog(): HTMLDialogElement {
  const keys: [string, Word][] = [
    ["/", "keyDial"], ["A", "answer"], ["R", "refuse"], ["E", "hangUp"], ["H", "hold"], ["M", "mute"],
    ["K", "keypad"], ["T", "transfer"], ["0–9 * #", "keyDigits"], ["?", "keyHelp"],
  ];
  const box = el("input", {
    type: "checkbox",
    onchange: () => localStorage.setItem(USED, box.checked ? "on" : "off"),
  });
  box.checked = shortcutsUsed();
  const rows = keys.map(([key, word]) => el("div", {}, el("dt", {}, el("kbd", {}, key)), el("dd", {}, say(word))));
  return dialog("shortcuts", "shortcuts-dialog", el("dl", {}, ...rows), el("label", { class: "check" }, box, say("useKeys")));
}

/** A button of the top bar. */
export function barButton(picture: Parameters<typeof icon>[0], word: Word, name: string, run: () => void): HTMLButtonElement {
  return el("button", { type: "button", class: "plain", "data-act": name, title: say(word), "aria-label": say(word), onclick: run }, icon(picture));
}
