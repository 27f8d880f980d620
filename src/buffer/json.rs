//! An item as JSON, once. What JSON cannot say, or could not be read back, is refused here.
//!
//! `serde_json` alone writes NaN and the infinities as `null`, and writes items that are nested more deeply than it reads:
//! the write would succeed, and the upload would meet a dead letter. [`Checked`] stands in front of its serializer, looks at
//! every number and every level, and hands all else on.

use std::cell::{Cell, RefCell};
use std::result::Result;

use serde::ser::{self, Error as _, Serialize, Serializer};

use crate::error::Error;

/// `serde_json` reads 127 levels. One of them is for an array that may stand around the item in a batch.
const LEVELS_MAX: u32 = 126;

/// Writes the item behind what is in `out`.
pub(super) fn to_json<T: Serialize + ?Sized>(item: &T, out: &mut Vec<u8>) -> Result<(), Error> {
    let found = Found::default();
    let mut json = serde_json::Serializer::new(out);
    let written = item.serialize(Checked { inner: &mut json, found: &found, levels: 0 });
    written.map_err(|error| match found.number.get() {
        Some(value) => Error::NotFinite { value, field: found.field.take() },
        None => Error::Invalid(format!("the item is not JSON: {error}")),
    })
}

/// What was found that JSON cannot say.
#[derive(Default)]
struct Found {
    number: Cell<Option<f64>>,
    /// The fields that lead to it, outermost first.
    field: RefCell<String>,
}

/// A serializer, or one of its compounds, that checks what passes through.
struct Checked<'a, S> {
    inner: S,
    found: &'a Found,
    /// The arrays and objects around what comes next.
    levels: u32,
}

/// A value that checks whatever serializer it is given.
struct Value<'a, T: ?Sized> {
    value: &'a T,
    found: &'a Found,
    levels: u32,
}

impl<T: Serialize + ?Sized> Serialize for Value<'_, T> {
    fn serialize<S: Serializer>(&self, inner: S) -> Result<S::Ok, S::Error> {
        self.value.serialize(Checked { inner, found: self.found, levels: self.levels })
    }
}

impl<'a, S> Checked<'a, S> {
    fn value<'v, T: ?Sized>(&self, value: &'v T) -> Value<'v, T>
    where
        'a: 'v,
    {
        Value { value, found: self.found, levels: self.levels }
    }

    /// On the way out of a failure: puts the field's name before those that lead on from it.
    fn named<R, E>(&self, name: &str, written: Result<R, E>) -> Result<R, E> {
        if written.is_err() && self.found.number.get().is_some() {
            let mut field = self.found.field.borrow_mut();
            *field = if field.is_empty() { name.to_owned() } else { format!("{name}.{field}") };
        }
        written
    }
}

impl<'a, S: Serializer> Checked<'a, S> {
    fn finite(&self, number: f64) -> Result<(), S::Error> {
        if number.is_finite() {
            return Ok(());
        }
        self.found.number.set(Some(number));
        Err(S::Error::custom("a number that is not finite"))
    }

    /// Goes this many levels down with one of the serializer's own methods.
    fn down<C>(
        self,
        levels: u32,
        begin: impl FnOnce(S) -> Result<C, S::Error>,
    ) -> Result<Checked<'a, C>, S::Error> {
        let levels = self.levels + levels;
        if levels > LEVELS_MAX {
            return Err(S::Error::custom(format_args!("it has more than {LEVELS_MAX} levels")));
        }
        Ok(Checked { inner: begin(self.inner)?, found: self.found, levels })
    }
}

macro_rules! hand_on {
    ($($method:ident($($name:ident: $type:ty),*))*) => {
        $(fn $method(self, $($name: $type),*) -> Result<S::Ok, S::Error> {
            self.inner.$method($($name),*)
        })*
    };
}

macro_rules! go_down {
    ($($method:ident($($name:ident: $type:ty),*) -> $compound:ident, $levels:literal)*) => {
        $(fn $method(self, $($name: $type),*) -> Result<Self::$compound, S::Error> {
            self.down($levels, |inner| inner.$method($($name),*))
        })*
    };
}

impl<'a, S: Serializer> Serializer for Checked<'a, S> {
    type Ok = S::Ok;
    type Error = S::Error;
    type SerializeSeq = Checked<'a, S::SerializeSeq>;
    type SerializeTuple = Checked<'a, S::SerializeTuple>;
    type SerializeTupleStruct = Checked<'a, S::SerializeTupleStruct>;
    type SerializeTupleVariant = Checked<'a, S::SerializeTupleVariant>;
    type SerializeMap = Checked<'a, S::SerializeMap>;
    type SerializeStruct = Checked<'a, S::SerializeStruct>;
    type SerializeStructVariant = Checked<'a, S::SerializeStructVariant>;

    hand_on! {
        serialize_bool(value: bool)
        serialize_i8(value: i8)
        serialize_i16(value: i16)
        serialize_i32(value: i32)
        serialize_i64(value: i64)
        serialize_i128(value: i128)
        serialize_u8(value: u8)
        serialize_u16(value: u16)
        serialize_u32(value: u32)
        serialize_u64(value: u64)
        serialize_u128(value: u128)
        serialize_char(value: char)
        serialize_str(value: &str)
        serialize_bytes(value: &[u8])
        serialize_none()
        serialize_unit()
        serialize_unit_struct(name: &'static str)
        serialize_unit_variant(name: &'static str, index: u32, variant: &'static str)
    }

    go_down! {
        serialize_seq(length: Option<usize>) -> SerializeSeq, 1
        serialize_tuple(length: usize) -> SerializeTuple, 1
        serialize_tuple_struct(name: &'static str, length: usize) -> SerializeTupleStruct, 1
        serialize_tuple_variant(name: &'static str, index: u32, variant: &'static str, length: usize)
            -> SerializeTupleVariant, 2
        serialize_map(length: Option<usize>) -> SerializeMap, 1
        serialize_struct(name: &'static str, length: usize) -> SerializeStruct, 1
        serialize_struct_variant(name: &'static str, index: u32, variant: &'static str, length: usize)
            -> SerializeStructVariant, 2
    }

    fn serialize_f32(self, number: f32) -> Result<S::Ok, S::Error> {
        self.finite(number.into())?;
        self.inner.serialize_f32(number)
    }

    fn serialize_f64(self, number: f64) -> Result<S::Ok, S::Error> {
        self.finite(number)?;
        self.inner.serialize_f64(number)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        let value = self.value(value);
        self.inner.serialize_some(&value)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        let value = self.value(value);
        self.inner.serialize_newtype_struct(name, &value)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        let Checked { inner, found, levels } = self.down(1, Ok)?;
        inner.serialize_newtype_variant(name, index, variant, &Value { value, found, levels })
    }

    fn collect_str<T: std::fmt::Display + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        self.inner.collect_str(value)
    }

    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }
}

macro_rules! elements {
    ($($compound:ident: $method:ident)*) => {
        $(impl<C: ser::$compound> ser::$compound for Checked<'_, C> {
            type Ok = C::Ok;
            type Error = C::Error;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), C::Error> {
                let value = self.value(value);
                self.inner.$method(&value)
            }

            fn end(self) -> Result<C::Ok, C::Error> {
                self.inner.end()
            }
        })*
    };
}

elements! {
    SerializeSeq: serialize_element
    SerializeTuple: serialize_element
    SerializeTupleStruct: serialize_field
    SerializeTupleVariant: serialize_field
}

macro_rules! fields {
    ($($compound:ident)*) => {
        $(impl<C: ser::$compound> ser::$compound for Checked<'_, C> {
            type Ok = C::Ok;
            type Error = C::Error;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                name: &'static str,
                value: &T,
            ) -> Result<(), C::Error> {
                let value = self.value(value);
                let written = self.inner.serialize_field(name, &value);
                self.named(name, written)
            }

            fn skip_field(&mut self, name: &'static str) -> Result<(), C::Error> {
                self.inner.skip_field(name)
            }

            fn end(self) -> Result<C::Ok, C::Error> {
                self.inner.end()
            }
        })*
    };
}

fields! { SerializeStruct SerializeStructVariant }

impl<C: ser::SerializeMap> ser::SerializeMap for Checked<'_, C> {
    type Ok = C::Ok;
    type Error = C::Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), C::Error> {
        let key = self.value(key);
        self.inner.serialize_key(&key)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), C::Error> {
        let value = self.value(value);
        self.inner.serialize_value(&value)
    }

    fn end(self) -> Result<C::Ok, C::Error> {
        self.inner.end()
    }
}
