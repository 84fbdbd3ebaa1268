// The agent's page: logging in, then the phone. A token lives as long as its tab.
import { Api, ApiError, type User } from "./api";
import { App } from "./app";
import { Desk } from "./desk";
import { el } from "./dom";
import { loginView } from "./login";
import { context } from "./sound";
import { type Word, choose, currentLanguage, say } from "./words";

const TOKEN = "patchbay.token";
const AGAIN_MS = 3_000;

class Page {
  private api: Api | null = null;
  private user: User | null = null;
  private extensionName = "";
  private desk: Desk | null = null;
  private app: App | null = null;

  async start(first = true): Promise<void> {
    const token = sessionStorage.getItem(TOKEN);
    if (!token) return this.showLogin(null);
    try {
      await this.enter(token, await new Api(token).whoAmI());
    } catch (error) {
      if (error instanceof ApiError && error.status === 401) return this.logOut("sayExpired");
      // The switch may be starting: the calls of this page wait there.
      if (first) this.showLogin("sayUnreachable");
      window.setTimeout(() => this.desk ?? void this.start(false), AGAIN_MS);
    }
  }

  private async enter(token: string, user: User): Promise<void> {
    sessionStorage.setItem(TOKEN, token);
    const api = new Api(token);
    api.expired = () => this.expired();
    this.api = api;
    this.user = user;
    // Without it the phone works all the same where the switch can be reached directly.
    const phone = user.extension ? await api.phone().catch(() => null) : null;
    this.extensionName = phone?.name ?? user.nickname;
    this.desk = new Desk(user, token, phone?.iceServers ?? [], async () => (await api.phone()).iceServers);
    // A refused connection does not say why: the API does.
    this.desk.lost = () => void api.whoAmI().catch(() => {});
    this.show();
  }

  private expired(): void {
    if (!this.desk) return;
    if (this.desk.lines.length === 0) this.logOut("sayExpired");
    else this.desk.say({ text: () => say("sayExpiredInCall") });
  }

  private logOut(remark: Word | null): void {
    sessionStorage.removeItem(TOKEN);
    this.app?.end();
    this.desk?.end();
    this.app = this.desk = this.api = null;
    this.showLogin(remark);
  }

  private showLogin(remark: Word | null): void {
    this.dress();
    const view = loginView(remark ? say(remark) : "", this.language(() => this.showLogin(remark)), (token, user) => void this.enter(token, user));
    document.body.replaceChildren(view);
  }

  private show(): void {
    const { desk, api, user } = this;
    if (!desk || !api || !user) return;
    this.dress();
    this.app?.end();
    this.app = new App(desk, api, user, this.extensionName, this.language(() => this.show()), () => this.logOut(null));
    document.body.replaceChildren(this.app.element);
  }

  private language(again: () => void): HTMLElement {
    const change = () => {
      choose(currentLanguage() === "zh" ? "en" : "zh");
      again();
    };
    return el("button", { type: "button", class: "plain language", "data-act": "language", "aria-label": say("languageName"), onclick: change }, say("language"));
  }

  private dress(): void {
    document.documentElement.lang = currentLanguage() === "zh" ? "zh-CN" : "en";
    document.title = `Patchbay ${say("title")}`;
  }
}

// Browsers let a page make sound once it was touched.
for (const touch of ["pointerdown", "keydown"]) document.addEventListener(touch, () => void context());

void new Page().start();
