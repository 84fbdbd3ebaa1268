// The softphone of pages: `MySoftPhone` of the contract.
import { Phone } from "./phone/phone";
import type { Session } from "./phone/session";
import type { AnswerConfirm, MySoftPhoneOptions } from "./types";

class MySoftPhone extends Phone {
  constructor(options: MySoftPhoneOptions, private readonly answerConfirm: AnswerConfirm = () => true) {
    super(options);
    this.on("session", (session) => {
      const begun = session as Session;
      if (begun.state === "ringing") void this.comes(begun);
    });
  }

  private async comes(session: Session): Promise<void> {
    // Whoever listens hears of the call before it is asked about it.
    await Promise.resolve();
    let wanted = false;
    try {
      wanted = await this.answerConfirm(session.target);
    } catch (error) {
      console.error(error);
    }
    // The caller may have given up meanwhile, or the page have answered by itself.
    if (session.state !== "ringing") return;
    if (wanted) session.answer();
    else session.hangup();
  }
}

(window as unknown as { MySoftPhone: typeof MySoftPhone }).MySoftPhone = MySoftPhone;
