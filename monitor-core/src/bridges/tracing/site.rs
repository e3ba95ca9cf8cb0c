//! What the layer knows of each place in the program that makes spans, found by the address of its metadata.
//!
//! A look-up is on the way of every span, so it takes no lock and touches nothing that is written: the table is filled
//! place by place and never changed. Programs have some hundred such places; what finds no room in the table is made out
//! anew each time.

use std::sync::OnceLock;

use tracing::Metadata;

use super::choice::Choice;
use crate::record::span::SpanSite;

/// Places that are remembered.
const PLACES: usize = 1_024;

/// How far from its own place an entry may stand.
const REACH: usize = 16;

/// One place.
pub(super) struct Place {
    metadata: usize,
    /// `None`: its spans do not become operations.
    pub(super) site: Option<SpanSite>,
    /// Whether its spans have fields that are to be read.
    pub(super) has_fields: bool,
}

impl Place {
    fn new(
        metadata: &'static Metadata<'static>,
        choice: &Choice,
        make: fn(String, String, String) -> SpanSite,
    ) -> Self {
        let names = || (metadata.name().to_owned(), choice.kind.clone(), metadata.target().to_owned());
        let site = choice.wants(metadata).then(names).map(|(name, kind, component)| make(name, kind, component));
        Self {
            metadata: address(metadata),
            site,
            has_fields: metadata.fields().iter().any(|field| choice.reads(field.name())),
        }
    }
}

/// Metadata is a static of its place: its address tells places apart.
fn address(metadata: &'static Metadata<'static>) -> usize {
    std::ptr::from_ref(metadata).addr()
}

pub(super) struct Places {
    table: Box<[OnceLock<Place>]>,
}

impl Places {
    pub(super) fn new() -> Self {
        Self { table: (0..PLACES).map(|_| OnceLock::new()).collect() }
    }

    /// Runs `f` with what is known of a place. No lock may be held: the filter of the host may be asked.
    #[inline]
    pub(super) fn with<R>(
        &self,
        metadata: &'static Metadata<'static>,
        choice: &Choice,
        f: impl FnOnce(&Place) -> R,
    ) -> R {
        let address = address(metadata);
        // The high bits of a product by an odd constant hang on all bits of the factor (Fibonacci hashing).
        let hash = (address as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 54;
        let first = usize::try_from(hash).unwrap_or(0);
        for at in first..first + REACH {
            let Some(entry) = self.table.get(at % PLACES) else { continue };
            match entry.get() {
                Some(place) if place.metadata == address => return f(place),
                Some(_) => {}
                // Not inside `get_or_init`: the filter is code of the host, and another thread would wait for it.
                None => {
                    let _ = entry.set(Place::new(metadata, choice, SpanSite::new));
                    if let Some(place) = entry.get().filter(|place| place.metadata == address) {
                        return f(place);
                    }
                }
            }
        }
        f(&Place::new(metadata, choice, SpanSite::passing))
    }
}
