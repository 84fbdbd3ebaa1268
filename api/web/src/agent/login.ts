// Logging in.
import { Api, type User } from "./api";
import { el } from "./dom";
import { loginProblem } from "./problems";
import { say } from "./words";

export function loginView(remark: string, language: HTMLElement, done: (token: string, user: User) => void): HTMLElement {
  const user = el("input", { id: "user", autocomplete: "username", autocapitalize: "none", spellcheck: "false", required: true });
  const password = el("input", { id: "password", type: "password", autocomplete: "current-password", required: true });
  const problem = el("p", { class: "problem", role: "alert", id: "login-problem", hidden: remark === "" }, remark);
  const enter = el("button", { class: "primary", "data-act": "log-in" }, say("logIn"));
  const send = async (event: Event) => {
    event.preventDefault();
    enter.disabled = true;
    try {
      const session = await Api.logIn(user.value.trim(), password.value);
      done(session.token, session.user);
    } catch (error) {
      problem.hidden = false;
      problem.textContent = loginProblem(error);
      password.select();
    } finally {
      enter.disabled = false;
    }
  };
  window.setTimeout(() => user.focus());
  return el(
    "main",
    { class: "login" },
    el(
      "form",
      { onsubmit: send, "aria-labelledby": "login-title" },
      el("header", {}, el("img", { src: "/agent/icon.svg", alt: "", width: 40, height: 40 }), el("h1", { id: "login-title" }, `Patchbay ${say("title")}`)),
      problem,
      el("label", {}, el("span", {}, say("user")), user),
      el("label", {}, el("span", {}, say("password")), password),
      enter,
      el("p", { class: "hint" }, say("logInHint")),
      el("footer", {}, language),
    ),
  );
}
