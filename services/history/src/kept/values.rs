//! The values of one column of a block, before they are encoded and after they are decoded.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::Arc;

use conns_core::query::Value;
use foldhash::fast::RandomState;

use crate::cell::Cell;

/// How the values of a column are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Storage {
    /// A whole number.
    Whole,
    /// A fractional number.
    Fraction,
    /// Text, which stands once in a block.
    Text,
    /// An address, which stands once in a block.
    Address,
}

/// Texts of a column that are compared before one is searched.
const FEW_TEXTS: usize = 4;

/// Stands for `NULL` among whole numbers. No field of a connection has that value.
pub(super) const NULL: i64 = i64::MIN;

/// The values of a column, one a row; `NULL` is a value too.
#[derive(Debug, Clone)]
pub(crate) enum Values {
    /// Whole numbers; [`NULL`] stands for `NULL`.
    Whole(Vec<i64>),
    /// Fractional numbers; NaN stands for `NULL`, as in [`Cell::real`].
    Fraction(Vec<f64>),
    /// Texts and addresses.
    Words(Words),
}

/// Texts or addresses, and for each row the place of its one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Words {
    /// Every text once, as it is encoded.
    pub(super) dictionary: Vec<Arc<str>>,
    /// For each row 0, which is `NULL`, or the place in the dictionary plus one.
    pub(super) places: Vec<u32>,
    /// The places of the texts; empty after decoding, when nothing is added.
    known: HashMap<Arc<str>, u32, RandomState>,
    /// The places of addresses, so that few of them are written as text.
    addresses: HashMap<IpAddr, u32, RandomState>,
    /// The last address, and its place.
    last_address: Option<(IpAddr, u32)>,
}

/// Empties a column. It keeps memory for twice as many rows, as the next block has about as many.
fn clear<T>(values: &mut Vec<T>) {
    let rows = values.len();
    values.clear();
    values.shrink_to(2 * rows);
}

/// As [`clear`], of places by what is there.
fn clear_map<K: Eq + Hash>(places: &mut HashMap<K, u32, RandomState>) {
    let known = places.len();
    places.clear();
    places.shrink_to(2 * known);
}

impl Words {
    /// Decoded ones.
    pub(super) fn decoded(dictionary: Vec<Arc<str>>, places: Vec<u32>) -> Self {
        Self { dictionary, places, ..Self::default() }
    }

    fn push(&mut self, text: Option<&str>) {
        let Some(text) = text else { return self.places.push(0) };
        // Most columns have few texts.
        let few = self.dictionary.iter().take(FEW_TEXTS).position(|known| **known == *text);
        let place = few.map_or_else(|| self.place_of(text), |at| at as u32 + 1);
        self.places.push(place);
    }

    /// The place of a text, which is added if it is new.
    fn place_of(&mut self, text: &str) -> u32 {
        if let Some(place) = self.known.get(text) {
            return *place;
        }
        let text: Arc<str> = text.into();
        self.dictionary.push(Arc::clone(&text));
        // A block has fewer rows than that.
        let place = u32::try_from(self.dictionary.len()).unwrap_or(u32::MAX);
        self.known.insert(text, place);
        place
    }

    #[inline]
    fn push_value(&mut self, value: Value<'_>) {
        match value {
            Value::Text(text) => self.push(Some(&text)),
            Value::Address(address) => self.push_address(address),
            Value::Several(several) => self.push_value(first(several)),
            _ => self.push(None),
        }
    }

    fn push_address(&mut self, address: IpAddr) {
        // Neighbours are often alike.
        if let Some((last, place)) = self.last_address
            && last == address
        {
            return self.places.push(place);
        }
        let known = self.addresses.get(&address).copied();
        let place = known.unwrap_or_else(|| {
            let place = self.place_of(&address.to_string());
            self.addresses.insert(address, place);
            place
        });
        self.last_address = Some((address, place));
        self.places.push(place);
    }

    /// Appends the rows of others.
    fn append(&mut self, others: &Self) {
        let places: Vec<u32> = others.dictionary.iter().map(|text| self.place_of(text)).collect();
        let place = |place: &u32| {
            let at = (*place as usize).checked_sub(1);
            at.and_then(|at| places.get(at)).copied().unwrap_or(0)
        };
        self.places.extend(others.places.iter().map(place));
    }

    fn clear(&mut self) {
        clear(&mut self.dictionary);
        clear(&mut self.places);
        clear_map(&mut self.known);
        clear_map(&mut self.addresses);
        self.last_address = None;
    }

    /// The place of the text of a row: 0 for `NULL`, else that in the dictionary plus one.
    pub(crate) fn place(&self, row: usize) -> usize {
        self.places.get(row).map_or(0, |place| *place as usize)
    }

    /// The text at a place.
    pub(crate) fn text(&self, place: usize) -> Option<&str> {
        self.dictionary.get(place.checked_sub(1)?).map(AsRef::as_ref)
    }

    /// How many texts there are.
    pub(crate) fn texts(&self) -> usize {
        self.dictionary.len()
    }
}

/// The first of several values.
fn first(several: Vec<Value<'_>>) -> Value<'_> {
    several.into_iter().next().unwrap_or(Value::NotApplicable)
}

#[inline]
fn whole(value: Value<'_>) -> i64 {
    let number = match &value {
        Value::Count(number) | Value::Bytes(number) | Value::Micros(number) => {
            i64::try_from(*number).unwrap_or(NULL)
        }
        Value::Port(port) => (*port).into(),
        Value::Bool(yes) => (*yes).into(),
        Value::Time(us) => *us,
        Value::Unknown(_) | Value::NotApplicable => NULL,
        Value::Several(several) => return several.first().cloned().map_or(NULL, whole),
        _ => return NULL,
    };
    // These hold no memory, and dropping each takes as long as reading it.
    std::mem::forget(value);
    number
}

fn fraction(value: Value<'_>) -> f64 {
    match value {
        Value::BytesPerSecond(number) | Value::Percent(number) => number,
        Value::Several(several) => fraction(first(several)),
        _ => f64::NAN,
    }
}

impl Values {
    /// None yet.
    pub(crate) fn new(storage: Storage) -> Self {
        match storage {
            Storage::Whole => Self::Whole(Vec::new()),
            Storage::Fraction => Self::Fraction(Vec::new()),
            Storage::Text | Storage::Address => Self::Words(Words::default()),
        }
    }

    /// `rows` times `NULL`.
    pub(crate) fn nulls(storage: Storage, rows: usize) -> Self {
        match storage {
            Storage::Whole => Self::Whole(vec![NULL; rows]),
            Storage::Fraction => Self::Fraction(vec![f64::NAN; rows]),
            Storage::Text | Storage::Address => {
                Self::Words(Words { places: vec![0; rows], ..Words::default() })
            }
        }
    }

    /// Forgets all rows.
    pub(crate) fn clear(&mut self) {
        match self {
            Self::Whole(values) => clear(values),
            Self::Fraction(values) => clear(values),
            Self::Words(words) => words.clear(),
        }
    }

    /// How many rows there are.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Whole(values) => values.len(),
            Self::Fraction(values) => values.len(),
            Self::Words(words) => words.places.len(),
        }
    }

    /// Whether all are `NULL`.
    pub(super) fn is_null(&self) -> bool {
        match self {
            Self::Whole(values) => values.iter().all(|value| *value == NULL),
            Self::Fraction(values) => values.iter().all(|value| value.is_nan()),
            Self::Words(words) => words.places.iter().all(|place| *place == 0),
        }
    }

    /// Appends a value of the catalogue; of several, of several owners, the first. What is not of the column's kind is `NULL`.
    #[inline]
    pub(crate) fn push_value(&mut self, value: Value<'_>) {
        match self {
            Self::Whole(column) => column.push(whole(value)),
            Self::Fraction(column) => column.push(fraction(value)),
            Self::Words(words) => words.push_value(value),
        }
    }

    /// Appends the value of an earlier row.
    pub(crate) fn repeat(&mut self, row: usize) {
        match self {
            Self::Whole(values) => values.push(values.get(row).copied().unwrap_or(NULL)),
            Self::Fraction(values) => values.push(values.get(row).copied().unwrap_or(f64::NAN)),
            Self::Words(words) => {
                words.places.push(words.places.get(row).copied().unwrap_or_default());
            }
        }
    }

    /// Appends a cell. What is not of the column's kind is `NULL`.
    pub(crate) fn push(&mut self, cell: &Cell<'_>) {
        match self {
            Self::Whole(values) => values.push(match cell {
                Cell::Integer(number) => *number,
                _ => NULL,
            }),
            Self::Fraction(values) => values.push(match cell {
                Cell::Real(number) => *number,
                #[allow(
                    clippy::cast_precision_loss,
                    reason = "as SQLite reads it from a REAL column"
                )]
                Cell::Integer(number) => *number as f64,
                _ => f64::NAN,
            }),
            Self::Words(words) => words.push(match cell {
                Cell::Text(text) => Some(text),
                _ => None,
            }),
        }
    }

    /// Appends the rows of another column of the same storage.
    pub(crate) fn append(&mut self, other: &Self) {
        match (self, other) {
            (Self::Whole(values), Self::Whole(others)) => values.extend_from_slice(others),
            (Self::Fraction(values), Self::Fraction(others)) => values.extend_from_slice(others),
            (Self::Words(words), Self::Words(others)) => words.append(others),
            (values, others) => {
                for _ in 0..others.len() {
                    values.push(&Cell::Null);
                }
            }
        }
    }

    /// The value of a row; `NULL` beyond the last.
    pub(crate) fn cell(&self, row: usize) -> Cell<'_> {
        match self {
            Self::Whole(_) => self.whole(row).map_or(Cell::Null, Cell::Integer),
            Self::Fraction(values) => values.get(row).copied().map_or(Cell::Null, Cell::real),
            Self::Words(words) => words.text(words.place(row)).map_or(Cell::Null, Cell::text),
        }
    }

    /// The texts or addresses.
    pub(crate) fn words(&self) -> Option<&Words> {
        match self {
            Self::Words(words) => Some(words),
            Self::Whole(_) | Self::Fraction(_) => None,
        }
    }

    /// The whole number of a row.
    pub(crate) fn whole(&self, row: usize) -> Option<i64> {
        match self {
            Self::Whole(values) => values.get(row).copied().filter(|value| *value != NULL),
            Self::Fraction(_) | Self::Words(_) => None,
        }
    }

    /// About how many bytes of memory the rows take.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Whole(values) => values.len() * size_of::<i64>(),
            Self::Fraction(values) => values.len() * size_of::<f64>(),
            Self::Words(words) => {
                let texts: usize = words.dictionary.iter().map(|text| text.len() + 64).sum();
                texts + words.places.len() * size_of::<u32>()
            }
        }
    }
}
