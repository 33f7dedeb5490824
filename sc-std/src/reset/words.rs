//! The words of the reset mail, in every language.
//!
//! Each says the same: somebody asked, the link, how long it works and that it works once, and that nothing is to be
//! done by somebody who did not ask.

use crate::language::Language;

/// The words around a reset link. Line breaks are for the plain text, and mean nothing in HTML; Chinese and Japanese
/// have none, since a browser would show them as spaces.
pub(super) struct Words {
    pub(super) subject: &'static str,
    pub(super) greeting: &'static str,
    /// Before and after the time for which the link is valid.
    pub(super) request: [&'static str; 2],
    pub(super) otherwise: &'static str,
}

impl Words {
    /// The words in a language.
    pub(super) const fn of(language: Language) -> Self {
        match language {
            Language::En => Self {
                subject: "Choose a new password",
                greeting: "Hello,",
                request: [
                    "somebody asked for a new password for your account. To choose one,\nopen this link within ",
                    "; it works once:",
                ],
                otherwise: "If it was not you, there is nothing to do: your password stays\nas it is.",
            },
            Language::Zh => Self {
                subject: "设置新密码",
                greeting: "您好：",
                request: [
                    "有人为您的账户申请了新密码。如需设置新密码，请在 ",
                    "内打开以下链接，该链接只能使用一次：",
                ],
                otherwise: "如果这不是您本人的操作，您无需做任何处理，您的密码将保持不变。",
            },
            Language::ZhHant => Self {
                subject: "設定新密碼",
                greeting: "您好：",
                request: [
                    "有人為您的帳戶申請了新密碼。如要設定新密碼，請在 ",
                    "內開啟以下連結，此連結僅能使用一次：",
                ],
                otherwise: "如果這不是您本人的操作，您無需採取任何動作，您的密碼將維持不變。",
            },
            Language::Ja => Self {
                subject: "新しいパスワードの設定",
                greeting: "いつもご利用いただき、ありがとうございます。",
                request: [
                    "お客様のアカウントについて、新しいパスワードのご依頼がありました。設定される場合は、",
                    "以内に次のリンクを開いてください。リンクは一度だけ使用できます。",
                ],
                otherwise: "お心当たりがない場合は、何もしていただく必要はありません。現在のパスワードは変更されません。",
            },
            Language::Vi => Self {
                subject: "Đặt mật khẩu mới",
                greeting: "Xin chào,",
                request: [
                    "Có người đã yêu cầu mật khẩu mới cho tài khoản của bạn. Để đặt mật khẩu mới,\nvui lòng mở liên \
                     kết này trong vòng ",
                    "; liên kết chỉ dùng được một lần:",
                ],
                otherwise: "Nếu bạn không yêu cầu, bạn không cần làm gì cả: mật khẩu của bạn vẫn\nđược giữ nguyên.",
            },
        }
    }
}

/// A time in whole minutes, at least one.
pub(super) fn minutes(millis: u64, language: Language) -> String {
    let minutes = (millis / 60_000).max(1);
    match language {
        Language::En if minutes == 1 => "1 minute".to_owned(),
        Language::En => format!("{minutes} minutes"),
        Language::Zh => format!("{minutes} 分钟"),
        Language::ZhHant => format!("{minutes} 分鐘"),
        Language::Ja => format!("{minutes} 分"),
        Language::Vi => format!("{minutes} phút"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_in_whole_minutes_and_never_none() {
        for (millis, said) in [(0, "1 minute"), (119_999, "1 minute"), (120_000, "2 minutes")] {
            assert_eq!(minutes(millis, Language::En), said);
        }
        for language in Language::ALL {
            assert!(minutes(1_800_000, *language).starts_with("30"), "{language}");
        }
    }

    #[test]
    fn no_line_of_the_plain_text_is_long_and_nothing_means_something_in_html() {
        for language in Language::ALL {
            let Words { subject, greeting, request: [before, after], otherwise } = Words::of(*language);
            for part in [subject, greeting, before, after, otherwise] {
                assert!(part.lines().all(|line| line.chars().count() <= 80), "{part}");
                assert!(!part.is_empty() && !part.contains(['<', '>', '&', '"', '\'']), "{part}");
            }
        }
    }
}
