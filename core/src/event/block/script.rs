//! The shapes of a block, made ready to write many rows.
//!
//! Not here: writing them (`rows`). No I/O.

use super::number::Number;
use super::reader::BlockReader;
use super::shape::{Coding, Digits, Shape};
use super::text::{self, Domain, Short};
use crate::error::Result;
use std::ops::Range;

/// Bytes of a copy. Behind all that is read or written is room for one more.
pub(super) const STRIDE: usize = 32;

/// The shapes of a block.
#[derive(Debug)]
pub(super) struct Script<'a> {
    /// Literals and entries of dictionaries, and a stride behind them.
    pub(super) texts: Vec<u8>,
    /// Where entries of dictionaries begin in `texts`; each dictionary has one more.
    pub(super) starts: Vec<u32>,
    /// The slots of all shapes, in turn.
    pub(super) steps: Vec<Step<'a>>,
    /// Of headers, then of payloads.
    pub(super) lines: Vec<Line>,
}

/// A shape: steps, and a literal behind them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line {
    pub(super) first: usize,
    pub(super) end: usize,
    pub(super) tail: Span,
    pub(super) domain: Domain,
    /// Most bytes of a row, without those on the heap.
    pub(super) most: usize,
}

/// A slot, and the literal before it.
#[derive(Clone, Debug)]
pub(super) struct Step<'a> {
    pub(super) literal: Span,
    pub(super) number: Number,
    pub(super) form: Form<'a>,
}

/// How a number stands for bytes: `Coding`, made ready.
#[derive(Clone, Debug)]
pub(super) enum Form<'a> {
    /// An entry of a dictionary, which has these `starts`.
    Entry(Range<usize>),
    Integer,
    Float,
    Decimal(u8),
    Digits(Digits<'a>),
    Quick(Quick<'a>),
    Heap,
}

/// A text of mostly up to eight digits, whose head and prefix stand at the end of the literal.
#[derive(Clone, Copy, Debug)]
pub(super) struct Quick<'a> {
    pub(super) own: Digits<'a>,
    /// Bytes of head and prefix.
    pub(super) front: usize,
    /// The head of such a text with none of the eight digits; that with `pad` of them is written.
    pub(super) head: u8,
    /// Least of the eight digits.
    pub(super) pad: usize,
    /// Below this they are no more.
    pub(super) fixed_below: u64,
    pub(super) suffix: Span,
}

/// A part of `texts`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    pub(super) start: usize,
    pub(super) bytes: usize,
}

impl Span {
    /// What is behind the first `skip` bytes.
    pub(super) fn without(self, skip: usize) -> Span {
        Span { start: self.start + skip, bytes: self.bytes - skip }
    }
}

impl<'a> Script<'a> {
    /// Makes the shapes of a block ready.
    ///
    /// # Errors
    /// `corrupt`: an entry is outside of its dictionary.
    pub(super) fn new(reader: &BlockReader<'a>) -> Result<Script<'a>> {
        let (texts, starts) = (Vec::new(), Vec::new());
        let mut script = Script { texts, starts, steps: Vec::new(), lines: Vec::new() };
        for (at, shape) in reader.shapes().enumerate() {
            let is_header = at < reader.headers.len();
            script.add(shape, if is_header { Domain::Header } else { Domain::Payload })?;
        }
        script.texts.resize(script.texts.len() + STRIDE, 0);
        Ok(script)
    }

    /// Bytes that this holds.
    pub(super) fn bytes(&self) -> usize {
        self.texts.capacity()
            + self.starts.capacity() * size_of::<u32>()
            + self.steps.capacity() * size_of::<Step<'_>>()
            + self.lines.capacity() * size_of::<Line>()
    }

    fn add(&mut self, shape: &Shape<'a>, domain: Domain) -> Result<()> {
        let (first, mut most) = (self.steps.len(), shape.tail.len());
        for (literal, slot) in &shape.parts {
            let mut literal = self.span(literal);
            let (form, form_most) = self.form(&slot.coding, domain)?;
            most += literal.bytes + form_most;
            if let Form::Quick(quick) = &form {
                literal.bytes += quick.front;
            }
            self.steps.push(Step { literal, number: slot.number, form });
        }
        let (tail, end) = (self.span(shape.tail), self.steps.len());
        self.lines.push(Line { first, end, tail, domain, most });
        Ok(())
    }

    fn span(&mut self, bytes: &[u8]) -> Span {
        let span = Span { start: self.texts.len(), bytes: bytes.len() };
        self.texts.extend_from_slice(bytes);
        span
    }

    /// A coding made ready, and most bytes that it writes. The literal before it was added last.
    fn form(&mut self, coding: &Coding<'a>, domain: Domain) -> Result<(Form<'a>, usize)> {
        Ok(match coding {
            Coding::Dictionary(dictionary) => {
                let first = self.starts.len();
                dictionary.spread(&mut self.texts, &mut self.starts)?;
                let entries = self.starts[first..].windows(2);
                let most = entries.map(|pair| (pair[1] - pair[0]) as usize).max().unwrap_or(0);
                (Form::Entry(first..self.starts.len()), most)
            }
            Coding::Integer => (Form::Integer, Short::ROOM),
            Coding::Float => (Form::Float, Short::ROOM),
            Coding::Decimal(places) => (Form::Decimal(*places), Short::ROOM),
            Coding::Digits(own) => {
                let constant = own.prefix.len() + own.suffix.len();
                (self.digits(*own, domain), Short::ROOM + text::DIGITS_ROOM + constant)
            }
            Coding::Heap => (Form::Heap, 0),
        })
    }

    fn digits(&mut self, own: Digits<'a>, domain: Domain) -> Form<'a> {
        let zeros = usize::from(own.pad).saturating_sub(8);
        let constant = own.prefix.len() + zeros + own.suffix.len();
        // With more bytes the head of a text has another form.
        let (head, below) = match domain {
            Domain::Header => (0, 0x80),
            Domain::Payload => (0x60, 24),
        };
        if constant + 8 >= below {
            return Form::Digits(own);
        }
        let head = head + constant as u8;
        let pad = usize::from(own.pad).clamp(1, 8);
        self.texts.push(head + pad as u8);
        self.texts.extend_from_slice(own.prefix);
        self.texts.extend(std::iter::repeat_n(b'0', zeros));
        let front = 1 + own.prefix.len() + zeros;
        let (suffix, fixed_below) = (self.span(own.suffix), 10u64.pow(pad as u32));
        Form::Quick(Quick { own, front, head, pad, fixed_below, suffix })
    }
}
