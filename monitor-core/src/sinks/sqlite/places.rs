//! Places in an order: ids, so that the smaller one comes first in either direction.

use crate::model::SortOrder;

/// An id in the order asked for. Ids are positive, so negation is safe.
pub(super) type Place = i64;

pub(super) fn place(id: i64, order: SortOrder) -> Place {
    match order {
        SortOrder::NewestFirst => id.saturating_neg(),
        SortOrder::OldestFirst => id,
    }
}

/// The way back is the same way.
pub(super) fn id_of(place: Place, order: SortOrder) -> i64 {
    self::place(place, order)
}
