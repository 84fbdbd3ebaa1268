//! The contract's words: states, directions, reasons, texts.

use model::{AgentState, Direction, Outcome, Refusal};

/// The language of texts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Language {
    /// Chinese, as the contract has it.
    #[default]
    Zh,
    /// English.
    En,
}

/// Why something is not done: `reason` and `msg` of the contract, sections 3, 4.5 and 7.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    BadParam,
    BadFrame,
    UnknownCmd,
    TokenInvalid,
    TokenExpired,
    NotLoggedIn,
    NoExtension,
    ExtOffline,
    ExtBusy,
    /// A state cannot be changed in a call.
    InCall,
    /// Nobody signs out in a call.
    InCallLogout,
    NoCall,
    /// Nothing rings.
    NothingRings,
    NoConsult,
    Consulting,
    NoTarget,
    TargetOffline,
    TargetBusy,
    NoLine,
    Internal,
}

impl Refused {
    /// Its stable name.
    pub(crate) fn reason(self) -> &'static str {
        self.facts().0
    }

    /// What people read.
    pub(crate) fn msg(self, language: Language) -> &'static str {
        let (_, zh, en) = self.facts();
        match language {
            Language::Zh => zh,
            Language::En => en,
        }
    }

    #[rustfmt::skip]
    fn facts(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::BadParam => ("BAD_PARAM", "参数错误", "Bad parameter"),
            Self::BadFrame => ("BAD_FRAME", "消息格式错误", "Bad frame"),
            Self::UnknownCmd => ("UNKNOWN_CMD", "未知命令", "Unknown command"),
            Self::TokenInvalid => ("TOKEN_INVALID", "未登录或非法访问", "Not logged in"),
            Self::TokenExpired => ("TOKEN_EXPIRED", "授权已过期", "The login has expired"),
            Self::NotLoggedIn => ("NOT_LOGGED_IN", "未签入", "Not signed in"),
            Self::NoExtension => ("NO_EXTENSION", "账号未绑定分机", "The account has no extension"),
            Self::ExtOffline => ("EXT_OFFLINE", "分机未注册", "The extension is not registered"),
            Self::ExtBusy => ("EXT_BUSY", "分机忙", "The extension is busy"),
            Self::InCall => ("IN_CALL", "通话中不能切换状态", "Not possible in a call"),
            Self::InCallLogout => ("IN_CALL", "通话中不能签出", "Not possible in a call"),
            Self::NoCall => ("NO_CALL", "当前没有通话", "There is no call"),
            Self::NothingRings => ("NO_CALL", "没有振铃的通话", "Nothing rings"),
            Self::NoConsult => ("NO_CONSULT", "没有咨询通话", "There is no consultation"),
            Self::Consulting => ("CONSULTING", "已在咨询中", "A consultation is under way"),
            Self::NoTarget => ("NO_TARGET", "目标不存在", "There is no such target"),
            Self::TargetOffline => ("EXT_OFFLINE", "目标分机未注册", "The target is not registered"),
            Self::TargetBusy => ("TARGET_BUSY", "目标忙", "The target is busy"),
            Self::NoLine => ("NO_LINE", "无可用线路", "No line is available"),
            Self::Internal => ("INTERNAL", "系统错误", "System error"),
        }
    }

    /// What a refusal of the switch is here.
    pub(crate) fn of(refusal: Refusal) -> Self {
        match refusal {
            Refusal::NoSuchCall | Refusal::NoSuchLeg => Self::NoCall,
            Refusal::NoSuchExtension => Self::NoExtension,
            Refusal::NotRegistered => Self::ExtOffline,
            Refusal::BadNumber => Self::BadParam,
            Refusal::NoRoute | Refusal::NoSuchTrunk => Self::NoLine,
            Refusal::NoSuchQueue | Refusal::NoSuchConference | Refusal::NoSuchPrompt => Self::NoTarget,
            Refusal::NotLoggedIn | Refusal::NoSuchAgent => Self::NotLoggedIn,
            Refusal::PhoneTaken => Self::ExtBusy,
            Refusal::WrongState => Self::NoCall,
            Refusal::BadRouting | Refusal::Overloaded | Refusal::ShuttingDown => Self::Internal,
        }
    }
}

/// What an agent does, as the contract has it (section 4.4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum State {
    #[default]
    Logout,
    Busy,
    Ready,
    Rest,
}

impl State {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Logout => "LOGOUT",
            Self::Busy => "BUSY",
            Self::Ready => "READY",
            Self::Rest => "REST",
        }
    }

    /// The event that tells it.
    pub(crate) fn event(self) -> &'static str {
        match self {
            Self::Logout => "onLogout",
            Self::Busy => "onBusy",
            Self::Ready => "onReady",
            Self::Rest => "onRest",
        }
    }

    pub(crate) fn of(state: &AgentState) -> Self {
        match state {
            AgentState::LoggedOut => Self::Logout,
            AgentState::Busy(_) | AgentState::WrapUp => Self::Busy,
            AgentState::Rest(_) => Self::Rest,
            AgentState::Ready | AgentState::Unavailable | AgentState::Offered | AgentState::Talking => Self::Ready,
        }
    }
}

pub(crate) fn direction(direction: Direction) -> &'static str {
    match direction {
        Direction::Internal => "INTERNAL",
        Direction::Inbound => "INBOUND",
        Direction::Outbound => "OUTBOUND",
        Direction::Unknown => "UNKNOWN",
    }
}

/// `reason` of onHangup.
pub(crate) fn hangup(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Answered => "normal",
        Outcome::Busy => "busy",
        Outcome::NoAnswer => "noanswer",
        Outcome::Cancelled => "cancel",
        Outcome::Rejected => "rejected",
        Outcome::Unreachable | Outcome::Unallocated | Outcome::Congestion => "unreachable",
        Outcome::Forbidden | Outcome::Incompatible | Outcome::MediaTimeout | Outcome::SwitchFailure => "error",
    }
}

/// `msg` of everything that was done.
pub(crate) fn done(language: Language) -> &'static str {
    match language {
        Language::Zh => "操作成功",
        Language::En => "Done",
    }
}
