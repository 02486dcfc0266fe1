//! Makes the checksums of changed bytes right, so that what is behind them is reached.

/// The checksums of a block's frames, in its head, as far as there are any.
pub(super) fn mend_block(block: &mut [u8]) {
    let Some((head_bytes, rest)) = block.split_first_chunk::<4>() else { return };
    let head_bytes = u32::from_le_bytes(*head_bytes) as usize;
    if head_bytes > rest.len() {
        return;
    }
    let count = varint(rest).unwrap_or(0).min(1024) as usize;
    let entries = count.div_ceil(64);
    let Some(table) = (4 + head_bytes).checked_sub(entries * 8).filter(|at| *at >= 4) else {
        return;
    };
    let mut start = 0;
    for entry in (table..4 + head_bytes).step_by(8) {
        let end = u32::from_le_bytes(block[entry..entry + 4].try_into().expect("four")) as usize;
        let frame = block.get(4 + head_bytes + start..(4 + head_bytes).saturating_add(end));
        let crc = crc32c::crc32c(frame.unwrap_or_default());
        block[entry + 4..entry + 8].copy_from_slice(&crc.to_le_bytes());
        start = end;
    }
}

fn varint(bytes: &[u8]) -> Option<u64> {
    let mut value = 0;
    for (byte, shift) in bytes.iter().zip((0..63).step_by(7)) {
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}
