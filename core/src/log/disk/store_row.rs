//! The row that makes a directory a store: format, swarm, key, fingerprint, and where we are.
//!
//! Not here: reading it from LMDB (`open`). No I/O. Source: docs/format.md, "Store row".

use super::block::{checked, with_checksum};
use crate::error::{Error, ErrorKind, Result};
use crate::event::SwarmId;
use crate::event::codec::{Reader, bad, put_counted};

/// Its key in the table `settings`.
pub(crate) const STORE_ROW_KEY: &[u8] = b"store";
/// The version of the format of a store without forks.
pub(crate) const FORMAT_VERSION: u32 = 1;
/// And of one with forks, which who does not know of them must not read.
pub(crate) const FORMAT_VERSION_FORKS: u32 = 2;
const MAGIC: &[u8; 8] = b"millpond";
const MACHINE_ID_BYTES_MAX: usize = 64;

/// Why the own stream is continued under the next number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum OpeningReason {
    /// The store was copied or restored: the original may have written on.
    Copied = 1,
    /// The end of the journal was cut off, so the last event may be missing.
    JournalCut = 2,
    /// The driver learned that the stream has grown elsewhere.
    GrownElsewhere = 3,
}

/// What the store knows about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoreRow {
    /// The version of the format: what was read, or what is to be written.
    pub(crate) format: u32,
    pub(crate) swarm: SwarmId,
    /// Seed of the node key.
    pub(crate) node_seed: [u8; 32],
    /// Number of the own stream that is written now.
    pub(crate) own_number: u64,
    /// Set until the stream `own_number` begins with its opening record.
    pub(crate) opening: Option<OpeningReason>,
    /// All journal records up to this index are in the tables.
    pub(crate) checkpointed: u64,
    /// The highest journal generation in use when this was written.
    pub(crate) generation: u64,
    /// True: closed in good order, the journal holds nothing beyond `checkpointed`.
    pub(crate) clean: bool,
    pub(crate) fingerprint: Fingerprint,
    pub(crate) open_count: u64,
    /// Sequence number of the next idempotency key.
    pub(crate) idempotency_next: u64,
}

/// What changes when a store is copied or restored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fingerprint {
    /// Inode of LMDB's file.
    pub(crate) inode: u64,
    /// When that file was made, ns since 1970; 0 where the file system keeps none.
    pub(crate) born: u64,
    /// What the operating system calls this machine; empty when it does not say.
    pub(crate) machine: String,
}

impl StoreRow {
    /// The byte form, with its checksum.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(256);
        out.extend_from_slice(MAGIC);
        let format = self.format.clamp(FORMAT_VERSION, FORMAT_VERSION_FORKS).to_le_bytes();
        out.extend_from_slice(&format);
        // The lowest version whose readers can read this.
        out.extend_from_slice(&format);
        out.extend_from_slice(self.swarm.as_bytes());
        out.extend_from_slice(&self.node_seed);
        out.extend_from_slice(&self.own_number.to_le_bytes());
        out.push(self.opening.map_or(0, |reason| reason as u8));
        out.push(u8::from(self.clean));
        for number in [self.checkpointed, self.generation, self.open_count, self.idempotency_next] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out.extend_from_slice(&self.fingerprint.inode.to_le_bytes());
        out.extend_from_slice(&self.fingerprint.born.to_le_bytes());
        put_counted(&mut out, self.fingerprint.machine.as_bytes());
        with_checksum(STORE_ROW_KEY, &out)
    }

    /// Reads the byte form.
    ///
    /// # Errors
    /// `format_too_new`: a later millpond wrote it so that this one cannot read it. `corrupt`: the
    /// checksum or the form does not fit.
    pub(crate) fn decode(value: &[u8]) -> Result<StoreRow> {
        let content = checked(STORE_ROW_KEY, value)?;
        let mut reader = Reader::new(content);
        if reader.array::<8>()? != *MAGIC {
            return Err(bad("the store row does not begin with its magic"));
        }
        let (version, min_reader) = (reader.u32()?, reader.u32()?);
        if min_reader > FORMAT_VERSION_FORKS {
            let message = format!(
                "the store has format {version}; this millpond reads up to \
                 {FORMAT_VERSION_FORKS}. \
                 Use the version that wrote it or a later one"
            );
            return Err(Error::new(ErrorKind::FormatTooNew, message));
        }
        let swarm = SwarmId::from_bytes(reader.array()?);
        let node_seed = reader.array()?;
        let own_number = reader.u64()?;
        let opening = match reader.u8()? {
            0 => None,
            1 => Some(OpeningReason::Copied),
            2 => Some(OpeningReason::JournalCut),
            3 => Some(OpeningReason::GrownElsewhere),
            other => return Err(bad(format!("the store row has opening reason {other}"))),
        };
        let clean = reader.u8()? != 0;
        let [checkpointed, generation, open_count, idempotency_next] =
            [reader.u64()?, reader.u64()?, reader.u64()?, reader.u64()?];
        let (inode, born) = (reader.u64()?, reader.u64()?);
        let machine = reader.counted(MACHINE_ID_BYTES_MAX, "the machine id")?;
        let machine = String::from_utf8(machine.to_vec()).map_err(|_| bad("the machine id"))?;
        let fingerprint = Fingerprint { inode, born, machine };
        Ok(StoreRow {
            format: version,
            swarm,
            node_seed,
            own_number,
            opening,
            checkpointed,
            generation,
            clean,
            fingerprint,
            open_count,
            idempotency_next,
        })
    }
}

impl OpeningReason {
    /// As the opening record says it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            OpeningReason::Copied => "copied",
            OpeningReason::JournalCut => "journal_cut",
            OpeningReason::GrownElsewhere => "grown_elsewhere",
        }
    }
}

/// Writes the row as a later version would, which this one cannot read.
#[cfg(test)]
pub(crate) fn raise_format_version(shared: &super::shared::Shared) {
    let raise = shared.tables.write(|opened, transaction| {
        let value = opened.settings.get(transaction, STORE_ROW_KEY)?.expect("written at open");
        let mut content = checked(STORE_ROW_KEY, value)?.to_vec();
        content[8..12].copy_from_slice(&(FORMAT_VERSION_FORKS + 1).to_le_bytes());
        content[12..16].copy_from_slice(&(FORMAT_VERSION_FORKS + 1).to_le_bytes());
        let value = with_checksum(STORE_ROW_KEY, &content);
        Ok(opened.settings.put(transaction, STORE_ROW_KEY, &value)?)
    });
    raise.expect("the store is open");
}
