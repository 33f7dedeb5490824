//! The words of every answer, in every language. English is that of `sc_core::code`.

use sc_core::code::Code;

use super::Language;
use crate::message::ForgotPasswordAnswer;

/// The same words in every language but English.
pub(crate) struct Words {
    pub(crate) zh: &'static str,
    pub(crate) zh_hant: &'static str,
    pub(crate) ja: &'static str,
    pub(crate) vi: &'static str,
}

impl Words {
    /// The words in a language; `en` are those in English.
    pub(crate) const fn choose(self, language: Language, en: &'static str) -> &'static str {
        match language {
            Language::En => en,
            Language::Zh => self.zh,
            Language::ZhHant => self.zh_hant,
            Language::Ja => self.ja,
            Language::Vi => self.vi,
        }
    }
}

impl Language {
    /// The message of a code. `SUCCESS` is the same in every language.
    ///
    /// # Examples
    /// ```
    /// use sc_core::code::Code;
    /// use sc_std::language::Language;
    ///
    /// assert_eq!(Language::ZhHant.message(Code::PermissionDenied), "拒絕存取");
    /// assert_eq!(Language::En.message(Code::PermissionDenied), Code::PermissionDenied.message());
    /// ```
    #[must_use]
    pub const fn message(self, code: Code) -> &'static str {
        match words(code) {
            Some(words) => words.choose(self, code.message()),
            None => code.message(),
        }
    }

    /// The message of a validation failure, with the name of the property or header as it is.
    #[must_use]
    pub fn invalid(self, property: &str) -> String {
        [self.message(Code::ValidationFailed), self.colon(), property].concat()
    }

    /// The property or header that a message of [`Language::invalid`], in any language, names. `None` for other words,
    /// and for what is said of the body as a whole.
    #[cfg(feature = "client")]
    pub(crate) fn named_in(message: &str) -> Option<&str> {
        let named = Self::ALL.iter().find_map(|language| {
            message.strip_prefix(language.message(Code::ValidationFailed))?.strip_prefix(language.colon())
        });
        named.filter(|name| !name.is_empty() && !name.contains(char::is_whitespace))
    }

    const fn colon(self) -> &'static str {
        match self {
            Self::En | Self::Vi => ": ",
            Self::Zh | Self::ZhHant | Self::Ja => "：",
        }
    }

    /// What a close without a session id is told.
    #[cfg(feature = "server")]
    pub(crate) const fn session_id_required(self) -> &'static str {
        let words = Words {
            zh: "缺少会话 ID 请求头",
            zh_hant: "缺少工作階段 ID 標頭",
            ja: "セッション ID ヘッダーが必要です",
            vi: "Cần có tiêu đề ID phiên",
        };
        words.choose(self, "Session ID header is required")
    }

    /// What everybody who forgot a password is told.
    pub(crate) const fn reset_link_will_be_sent(self) -> &'static str {
        let words = Words {
            zh: "如果该邮箱存在，我们将发送重置链接",
            zh_hant: "如果此電子郵件地址存在，我們將寄出重設連結",
            ja: "このメールアドレスが登録されている場合、再設定用のリンクをお送りします",
            vi: "Nếu email này tồn tại, liên kết đặt lại mật khẩu sẽ được gửi đi",
        };
        words.choose(self, ForgotPasswordAnswer::MESSAGE)
    }
}

/// The words of a code. `None` for a code that has none, which does not compile: see below.
const fn words(code: Code) -> Option<Words> {
    let (zh, zh_hant, ja, vi) = match code {
        Code::Success => ("SUCCESS", "SUCCESS", "SUCCESS", "SUCCESS"),
        Code::RateLimited => (
            "请求过于频繁，请稍后再试",
            "請求過於頻繁，請稍後再試",
            "リクエストが多すぎます。しばらくしてからもう一度お試しください",
            "Quá nhiều yêu cầu, vui lòng thử lại sau",
        ),
        Code::ValidationFailed => {
            ("请求无效", "請求無效", "リクエストが正しくありません", "Yêu cầu không hợp lệ")
        }
        Code::TooLarge => ("请求过大", "請求過大", "リクエストが大きすぎます", "Yêu cầu quá lớn"),
        Code::NotFound => (
            "请求的接口不存在",
            "請求的端點不存在",
            "指定されたエンドポイントは存在しません",
            "Điểm cuối được yêu cầu không tồn tại",
        ),
        Code::MethodNotAllowed => (
            "该接口不支持此请求方法",
            "此端點不支援該請求方法",
            "このエンドポイントでは使用できないメソッドです",
            "Điểm cuối này không hỗ trợ phương thức đã dùng",
        ),
        Code::PermissionDenied => ("拒绝访问", "拒絕存取", "アクセスが拒否されました", "Truy cập bị từ chối"),
        Code::InvalidPayload => (
            "安全通道数据无效",
            "安全通道資料無效",
            "セキュアチャネルのデータが正しくありません",
            "Dữ liệu kênh bảo mật không hợp lệ",
        ),
        Code::SessionNotFound => (
            "安全通道会话不存在",
            "找不到安全通道工作階段",
            "セキュアチャネルのセッションが見つかりません",
            "Không tìm thấy phiên kênh bảo mật",
        ),
        Code::InvalidKeyId => (
            "RSA 密钥 ID 无效或已过期",
            "RSA 金鑰 ID 無效或已過期",
            "RSA 鍵 ID が無効であるか、有効期限が切れています",
            "ID khóa RSA không hợp lệ hoặc đã hết hạn",
        ),
        Code::KeyExchangeFailed => (
            "会话密钥解密失败",
            "工作階段金鑰解密失敗",
            "セッション鍵を復号できませんでした",
            "Không thể giải mã khóa phiên",
        ),
        Code::Replayed => (
            "该请求此前已收到过",
            "先前已收到過此請求",
            "このリクエストはすでに受信済みです",
            "Yêu cầu này đã được nhận trước đó",
        ),
        Code::UnsupportedVersion => (
            "不支持的安全通道版本",
            "不支援的安全通道版本",
            "サポートされていないセキュアチャネルのバージョンです",
            "Phiên bản kênh bảo mật không được hỗ trợ",
        ),
        Code::Busy => (
            "服务器繁忙，请稍后再试",
            "伺服器忙碌中，請稍後再試",
            "サーバーが混み合っています。しばらくしてからもう一度お試しください",
            "Máy chủ đang bận, vui lòng thử lại sau",
        ),
        Code::InternalError => (
            "服务器内部错误",
            "伺服器內部錯誤",
            "サーバー内部でエラーが発生しました",
            "Lỗi nội bộ của máy chủ",
        ),
        // `Code` is open to this crate; the check below closes it.
        _ => return None,
    };
    Some(Words { zh, zh_hant, ja, vi })
}

/// A code without words does not compile.
const _: () = {
    let mut codes = Code::ALL;
    while let [code, rest @ ..] = codes {
        assert!(words(*code).is_some(), "a code has no words");
        codes = rest;
    }
};

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn english_is_that_of_the_codes() {
        for code in Code::ALL {
            assert_eq!(Language::En.message(*code), code.message());
        }
    }

    #[test]
    fn every_code_but_success_has_words_of_its_own_in_every_language() {
        let mut seen = HashSet::new();
        for code in Code::ALL.iter().filter(|code| **code != Code::Success) {
            for language in Language::ALL {
                assert!(seen.insert(language.message(*code)), "{language} {code}: said before");
            }
        }
        for language in Language::ALL {
            assert_eq!(language.message(Code::Success), "SUCCESS");
        }
    }

    #[test]
    fn words_are_in_the_script_of_their_language() {
        let has =
            |text: &str, range: std::ops::RangeInclusive<char>| text.chars().any(|c| range.contains(&c));
        let (kana, han) = ('\u{3040}'..='\u{30ff}', '\u{4e00}'..='\u{9fff}');
        for code in Code::ALL.iter().filter(|code| **code != Code::Success) {
            assert!(has(Language::Ja.message(*code), kana.clone()), "{code}");
            for chinese in [Language::Zh, Language::ZhHant] {
                assert!(has(chinese.message(*code), han.clone()), "{code}");
                assert!(!has(chinese.message(*code), kana.clone()), "{code}");
            }
            assert!(!has(Language::Vi.message(*code), '\u{3000}'..='\u{ffff}'), "{code}");
            assert!(!Language::Vi.message(*code).is_ascii(), "{code}: marks are missing");
        }
        // Characters that one of the two Chinese scripts does not have.
        for code in Code::ALL {
            let simplified =
                ["请", "过", "频", "后", "无", "数", "据", "会", "话", "钥", "务", "错", "误", "现"];
            let traditional = ["請", "過", "頻", "後", "無", "資", "階", "鑰", "務", "錯", "誤", "絕", "點"];
            let (zh, hant) = (Language::Zh.message(*code), Language::ZhHant.message(*code));
            assert!(!traditional.iter().any(|c| zh.contains(c)), "{zh}");
            assert!(!simplified.iter().any(|c| hant.contains(c)), "{hant}");
        }
    }

    #[test]
    fn a_property_is_named_as_it_is() {
        assert_eq!(Language::En.invalid("email"), "The request is not valid: email");
        for language in Language::ALL {
            assert!(language.invalid("header X-Client-Hash").ends_with("header X-Client-Hash"));
        }
    }
}
