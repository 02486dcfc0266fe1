//! Bytes as letters: base32 and base64url without padding, one text for each byte string.
//!
//! Rule: bits behind the last whole byte are zero, so no other text gives the same bytes.

/// An alphabet of 2 to the power of `bits` letters.
pub(super) struct Letters {
    alphabet: &'static [u8],
    bits: u32,
}

/// Base32 of RFC 4648 in small letters.
pub(super) const BASE32: Letters =
    Letters { alphabet: b"abcdefghijklmnopqrstuvwxyz234567", bits: 5 };
/// Base64url of RFC 4648.
pub(super) const BASE64URL: Letters = Letters {
    alphabet: b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_",
    bits: 6,
};

/// Why letters stand for no bytes.
pub(super) enum Unreadable {
    /// The byte at this place of the text is no letter.
    Character(usize),
    /// They do not end with a byte.
    End,
}

impl Letters {
    /// The letters of `bytes`.
    pub(super) fn write(&self, bytes: &[u8]) -> String {
        let letter = |index: u32| char::from(self.alphabet[index as usize]);
        let mut text = String::with_capacity(bytes.len() * 8 / self.bits as usize + 1);
        let (mut window, mut held) = (0u32, 0u32);
        for byte in bytes {
            window = window << 8 | u32::from(*byte);
            held += 8;
            while held >= self.bits {
                held -= self.bits;
                text.push(letter(window >> held));
                window &= (1 << held) - 1;
            }
        }
        if held > 0 {
            text.push(letter(window << (self.bits - held)));
        }
        text
    }

    /// The bytes of `text`, which must be what [`Letters::write`] gives for them.
    pub(super) fn read(&self, text: &str) -> Result<Vec<u8>, Unreadable> {
        let mut bytes = Vec::with_capacity(text.len() * self.bits as usize / 8);
        let (mut window, mut held) = (0u32, 0u32);
        for (index, letter) in text.bytes().enumerate() {
            let digit = self.alphabet.iter().position(|own| *own == letter);
            let digit = digit.ok_or(Unreadable::Character(index))?;
            window = window << self.bits | digit as u32;
            held += self.bits;
            if held >= 8 {
                held -= 8;
                bytes.push((window >> held) as u8);
                window &= (1 << held) - 1;
            }
        }
        if held >= self.bits || window != 0 {
            return Err(Unreadable::End);
        }
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn bytes_have_one_text(
            bytes in prop::collection::vec(any::<u8>(), 0..40),
            text in "[A-Za-z2-7_-]{0,12}",
        ) {
            for letters in [BASE32, BASE64URL] {
                let written = letters.write(&bytes);
                prop_assert_eq!(written.len(), (bytes.len() * 8).div_ceil(letters.bits as usize));
                prop_assert_eq!(letters.read(&written).ok(), Some(bytes.clone()));
                if let Ok(read) = letters.read(&text) {
                    prop_assert_eq!(letters.write(&read), text.clone());
                }
            }
        }
    }
}
