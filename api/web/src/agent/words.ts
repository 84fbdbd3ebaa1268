// The page's words in Chinese and English.

export type Language = "zh" | "en";

const WORDS = {
  title: ["坐席电话", "Agent phone"],
  logIn: ["登录", "Log in"],
  logInHint: ["使用您的用户名和密码。首次启动时的分机号也是用户名。", "With your user name and password. After the first start each extension's number is a user name too."],
  user: ["用户名", "User name"],
  password: ["密码", "Password"],
  logOut: ["退出", "Log out"],
  language: ["English", "中文"],
  languageName: ["切换到英文", "Switch to Chinese"],
  extension: ["分机", "Extension"],
  skip: ["跳到通话", "Skip to the calls"],

  ready: ["在线", "Ready"],
  connecting: ["连接中…", "Connecting…"],
  reconnecting: ["连接中断，正在重连…", "Connection lost, reconnecting…"],
  refused: ["注册被拒绝", "Registration refused"],
  elsewhere: ["在其他标签页使用中", "In use in another tab"],
  noExtension: ["没有分机", "No extension"],

  dial: ["拨号", "Dial"],
  number: ["号码", "Number"],
  numberHint: ["输入号码", "Enter a number"],
  call: ["呼叫", "Call"],
  keys: ["按键", "Keys"],
  delete: ["删除一位", "Delete a digit"],

  calls: ["通话", "Calls"],
  noCalls: ["当前没有通话", "No calls"],
  noCallsHint: ["在左侧拨号，或等待来电。", "Dial on the left, or wait for a call."],
  incoming: ["来电", "Incoming call"],
  waiting: ["来电等待", "Call waiting"],
  calling: ["正在呼叫…", "Calling…"],
  connectingCall: ["正在接通…", "Connecting…"],
  talking: ["通话中", "Talking"],
  onHold: ["已保持", "On hold"],
  heldThere: ["对方已保持", "The other party holds the call"],
  searching: ["正在恢复声音…", "Restoring the sound…"],
  ended: ["通话结束", "Call ended"],
  answer: ["接听", "Answer"],
  refuse: ["拒接", "Refuse"],
  hangUp: ["挂断", "Hang up"],
  hold: ["保持", "Hold"],
  resume: ["恢复", "Resume"],
  mute: ["静音", "Mute"],
  unmute: ["取消静音", "Unmute"],
  keypad: ["键盘", "Keypad"],
  transfer: ["转接", "Transfer"],
  transferTo: ["转接到号码", "Transfer to number"],
  transferNow: ["直接转接", "Transfer now"],
  askFirst: ["先咨询", "Ask first"],
  connectBoth: ["接通", "Connect with"],
  close: ["关闭", "Close"],
  transferring: ["正在转接到", "Transferring to"],
  transferred: ["已转接", "Transferred"],
  transferFailed: ["转接未成功，通话继续。", "The transfer did not work; the call goes on."],
  you: ["我", "You"],
  them: ["对方", "Them"],

  quality: ["通话质量", "Call quality"],
  measuring: ["测量中…", "measuring…"],
  good: ["良好", "Good"],
  fair: ["一般", "Fair"],
  poor: ["较差", "Poor"],
  loss: ["丢包", "Loss"],
  jitter: ["抖动", "Jitter"],
  roundTrip: ["往返", "Round trip"],

  history: ["通话记录", "History"],
  noHistory: ["还没有通话记录", "No calls yet"],
  more: ["更多", "More"],
  refresh: ["刷新", "Refresh"],
  play: ["播放录音", "Play the recording"],
  callBack: ["回拨", "Call back"],
  outgoing: ["呼出", "Outgoing"],
  received: ["呼入", "Incoming"],
  missed: ["未接", "Missed"],
  recordingGone: ["这段录音无法播放，可能已被删除。", "This recording cannot be played; it may have been deleted."],
  unknown: ["未知号码", "Unknown number"],

  sound: ["声音设置", "Sound settings"],
  microphone: ["麦克风", "Microphone"],
  speaker: ["听筒", "Speaker"],
  ringer: ["铃声设备", "Ringer"],
  standard: ["系统默认", "System default"],
  level: ["电平", "Level"],
  test: ["试听", "Test"],
  echo: ["消除回声", "Echo cancellation"],
  noise: ["降低噪声", "Noise suppression"],
  gain: ["自动音量", "Automatic volume"],
  useKeys: ["启用键盘快捷键", "Keyboard shortcuts"],
  fixedSpeaker: ["此浏览器不能选择播放设备。", "This browser does not let a page choose where sound is played."],

  shortcuts: ["快捷键", "Shortcuts"],
  keyDial: ["输入号码", "Dial"],
  keyDigits: ["通话中：发送按键", "In a call: press keys"],
  keyHelp: ["显示快捷键", "Show the shortcuts"],

  sayInsecure: [
    "浏览器只允许在安全页面使用麦克风。请改用 https:// 地址（默认端口 9443）或 http://localhost 打开本页。",
    "Browsers give a microphone only to secure pages. Open this page by https:// (port 9443 unless set otherwise), or as http://localhost on the switch itself.",
  ],
  sayMicRefused: [
    "麦克风被禁止。请点击地址栏左侧的图标，允许使用麦克风，然后重试。",
    "The microphone is blocked. Click the icon left of the address, allow the microphone, and try again.",
  ],
  sayMicMissing: ["没有找到麦克风。请插入耳机或麦克风，然后重试。", "No microphone was found. Plug in a headset or microphone and try again."],
  sayMicBusy: ["麦克风正被其他程序占用。请关闭该程序后重试。", "Another program uses the microphone. Close it and try again."],
  sayMicOther: ["无法打开麦克风。请在声音设置中选择其他麦克风。", "The microphone could not be opened. Choose another one in the sound settings."],
  sayWrongLogin: ["用户名或密码不正确。请检查大小写后重试。", "Wrong user name or password. Check upper and lower case, and try again."],
  sayDisabled: ["此账号已停用。请联系管理员。", "This account is disabled. Ask an administrator."],
  sayTooMany: ["尝试次数过多。请等待约 {0} 分钟后重试。", "Too many attempts. Wait about {0} minutes and try again."],
  sayUnreachable: ["无法连接到服务器。请检查网络；本页会自动重试。", "The switch cannot be reached. Check the network; this page keeps trying."],
  saySomethingElse: ["服务器出错（{0}）。请稍后重试；若持续出现，请联系管理员。", "The switch answered with an error ({0}). Try again later; if it stays, ask an administrator."],
  sayExpired: ["登录已过期。请重新登录。", "Your login has expired. Log in again."],
  sayExpiredInCall: ["登录已过期。通话不受影响，结束后请退出并重新登录。", "Your login has expired. The call goes on; log out and in again after it."],
  sayElsewhere: ["此分机正在另一个标签页中使用。在此使用会结束那里的通话。", "Another tab of this browser has this extension's phone. Using it here ends the calls there."],
  useHere: ["在此使用", "Use it here"],
  sayRefused: ["分机注册被拒绝（{0}）。分机可能已停用；请联系管理员。", "The switch refused to register the extension ({0}). It may be disabled; ask an administrator."],
  sayNoExtension: [
    "您的账号没有分机，因此不能通话。管理员可以执行：patchbay user set {0} --extension 1001",
    "Your account has no extension, so it has no phone. An administrator can give it one: patchbay user set {0} --extension 1001",
  ],
  sayReconnecting: ["与服务器的连接中断，正在自动重连。通话保持。", "The connection to the switch is lost and being restored. Calls are kept."],
  sayNoSound: ["浏览器尚未允许播放声音。请点击页面任意位置。", "The browser plays no sound yet. Click anywhere on the page."],

  causeBusy: ["对方正忙。", "The line is busy."],
  causeRefused: ["对方拒接。", "The call was refused."],
  causeAbsent: ["对方话机未在线，请稍后再拨。", "The phone is not reachable now. Try again later."],
  causeNoNumber: ["号码不存在，请检查号码。", "This number does not exist. Check it."],
  causeNoAnswer: ["无人接听。", "Nobody answered."],
  causeCancelled: ["已取消。", "Cancelled."],
  causeIncompatible: ["双方没有共同的编码。请联系管理员。", "The phones share no codec. Ask an administrator."],
  causeForbidden: ["无权拨打此号码。请联系管理员。", "You may not call this number. Ask an administrator."],
  causeConnection: ["与服务器的连接中断。重连后请重拨。", "The connection to the switch was lost. Dial again once it is back."],
  causeOver: ["通话结束", "Call ended"],
  causeOther: ["呼叫失败（{0}）。", "The call failed ({0})."],
  outcomeAnswered: ["已接通", "answered"],
  outcomeBusy: ["忙", "busy"],
  outcomeNoAnswer: ["无人接听", "no answer"],
  outcomeCancelled: ["已取消", "cancelled"],
  outcomeRejected: ["拒接", "refused"],
  outcomeOther: ["未接通", "not connected"],
} as const;

export type Word = keyof typeof WORDS;

const CHOSEN = "patchbay.language";

let language: Language = first();

function first(): Language {
  const chosen = localStorage.getItem(CHOSEN);
  if (chosen === "zh" || chosen === "en") return chosen;
  return navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en";
}

export function currentLanguage(): Language {
  return language;
}

export function choose(chosen: Language): void {
  language = chosen;
  localStorage.setItem(CHOSEN, chosen);
}

/** A text of the page, with `{0}` filled in. */
export function say(word: Word, filling = ""): string {
  return WORDS[word][language === "zh" ? 0 : 1].replace("{0}", filling);
}

/** A time of day today, a date and time before. */
export function when(at: number): string {
  const date = new Date(at);
  const locale = language === "zh" ? "zh-CN" : "en-GB";
  const time = date.toLocaleTimeString(locale, { hour: "2-digit", minute: "2-digit" });
  if (date.toDateString() === new Date().toDateString()) return time;
  return `${date.toLocaleDateString(locale, { month: "2-digit", day: "2-digit" })} ${time}`;
}

/** `3:05`, or `1:02:03`. */
export function howLong(ms: number): string {
  const seconds = Math.max(Math.floor(ms / 1000), 0);
  const two = (n: number) => String(n).padStart(2, "0");
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  return h ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}
