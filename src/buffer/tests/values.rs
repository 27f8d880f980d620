//! What is written is what the upload gets, to the bit; what JSON cannot say is refused at once.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Debug;
use std::sync::mpsc::channel;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::{Buffer, BufferOptions, Error, UploadBatch, UploadResult};

/// What an upload gets of these items.
fn uploaded<T: Serialize + DeserializeOwned + Send + Debug + 'static>(items: Vec<T>) -> Vec<T> {
    let (sent, batches) = channel();
    let upload = async move |batch: UploadBatch<T>| {
        sent.send(batch.items).unwrap();
        UploadResult::Delivered
    };
    let count = items.len();
    let options = BufferOptions::default().max_capacity(count as u64);
    let buffer = Buffer::with_upload(options, upload).unwrap();
    for item in items {
        buffer.write(item).unwrap();
    }
    assert_eq!(buffer.connectivity_restored().wait().unwrap().delivered, count as u64);
    drop(buffer);
    batches.iter().flatten().collect()
}

/// Values at which rounding is most likely to go wrong, and many at random.
fn floats(random: usize) -> Vec<f64> {
    let mut floats = vec![0.0, -0.0, 0.1, -0.1, 5e-324, f64::MIN_POSITIVE, f64::MAX, f64::MIN, f64::EPSILON];
    // Just beside each power of two and of ten.
    let powers =
        (-1_074..1_024).map(|power| 2_f64.powi(power)).chain((-323..309).map(|power| 10_f64.powi(power)));
    floats.extend(powers.flat_map(|power| [power, power.next_up(), power.next_down(), -power]));
    let mut numbers = fastrand::Rng::with_seed(2026);
    floats.extend((0..random).map(|_| f64::from_bits(numbers.u64(..))));
    floats.extend((0..random).map(|_| numbers.f64() * 100.0));
    floats.retain(|float| float.is_finite());
    floats
}

#[test]
fn every_bit_of_an_f64_reaches_the_upload() {
    let floats = floats(50_000);
    let changed = uploaded(floats.clone()).into_iter().zip(floats);
    let changed: Vec<_> = changed.filter(|(got, float)| got.to_bits() != float.to_bits()).collect();
    assert!(changed.is_empty(), "{} changed, the first: {:?}", changed.len(), changed.first());
}

#[test]
fn every_bit_of_an_f32_reaches_the_upload() {
    let mut numbers = fastrand::Rng::with_seed(2026);
    let mut floats: Vec<f32> = (0..50_000).map(|_| f32::from_bits(numbers.u32(..))).collect();
    floats.extend([0.0, -0.0, 0.1, f32::MAX, f32::MIN_POSITIVE, f32::from_bits(1), 16_777_217.0]);
    floats.retain(|float| float.is_finite());
    let bits = |floats: &[f32]| floats.iter().map(|float| float.to_bits()).collect::<Vec<_>>();
    assert_eq!(bits(&uploaded(floats.clone())), bits(&floats));
}

#[test]
fn integers_of_every_width_reach_the_upload() {
    let wide = [i128::MIN, i128::MAX, i128::from(i64::MIN), i128::from(u64::MAX) + 1, 0, -1];
    assert_eq!(uploaded(wide.to_vec()), wide);
    let unsigned = [u128::MAX, u128::from(u64::MAX), 1 << 64, 0];
    assert_eq!(uploaded(unsigned.to_vec()), unsigned);
    let longs = [(u64::MAX, i64::MIN), (i64::MAX as u64 + 1, i64::MAX), ((1 << 53) + 1, -(1 << 53) - 1)];
    assert_eq!(uploaded(longs.to_vec()), longs);
}

/// A float that can be a key.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(transparent)]
struct Key(f64);

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.0.to_bits() == other.0.to_bits()
    }
}

impl Eq for Key {}

impl std::hash::Hash for Key {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.to_bits().hash(state);
    }
}

#[test]
fn keys_that_are_numbers_reach_the_upload() {
    let floats: HashMap<Key, f64> = floats(500).into_iter().map(|float| (Key(float), float)).collect();
    let got = uploaded(vec![floats.clone()]).remove(0);
    assert_eq!(got.len(), floats.len());
    assert!(got.into_iter().all(|(key, value)| key == Key(value) && floats.contains_key(&key)));
    let wide = BTreeMap::from([(i128::MIN, u128::MAX), (-1, 0), (i128::MAX, 1)]);
    assert_eq!(uploaded(vec![wide.clone()]), [wide]);
    let letters = BTreeMap::from([('"', true), ('é', false), ('\u{0}', true)]);
    assert_eq!(uploaded(vec![letters.clone()]), [letters]);
    let both = BTreeMap::from([(true, 1.5), (false, -0.0)]);
    assert_eq!(uploaded(vec![both.clone()]), [both]);
}

#[test]
fn json_of_any_shape_reaches_the_upload_as_it_was() {
    let value = serde_json::json!({
        "numbers": [u64::MAX, i64::MIN, -0.0, 1e-310, 0.1 + 0.2, f64::MAX],
        "text": "\u{0}\u{7f}\u{2028}\\\"\r\n\t\u{1f600}",
        "nothing": [null, {}, [], ""],
    });
    assert_eq!(uploaded(vec![value.clone()])[0].to_string(), value.to_string());
}

#[derive(Debug, Serialize, Deserialize, PartialEq)]
struct Reading {
    sensor: String,
    celsius: f64,
}

#[derive(Debug, Serialize, Deserialize, PartialEq)]
enum Any {
    Nothing,
    Bare(f64),
    Single(f32),
    Maybe(Option<f64>),
    Pair(u8, f64),
    Struct { reading: Reading },
    List(Vec<(u8, f64)>),
    Map(BTreeMap<String, f64>),
    Flat(Flat),
    Either(Either),
}

#[derive(Debug, Serialize, Deserialize, PartialEq)]
struct Flat {
    #[serde(flatten)]
    reading: Reading,
    #[serde(flatten)]
    more: BTreeMap<String, f64>,
}

#[derive(Debug, Serialize, Deserialize, PartialEq)]
#[serde(untagged)]
enum Either {
    Number(f64),
    Text(String),
}

fn reading(celsius: f64) -> Reading {
    Reading { sensor: "yard".into(), celsius }
}

/// An item of each shape, with this number in it.
fn shapes(number: f64) -> Vec<Any> {
    let map = || BTreeMap::from([("first".to_owned(), 1.0), ("second".to_owned(), number)]);
    vec![
        Any::Bare(number),
        Any::Single(number as f32),
        Any::Maybe(Some(number)),
        Any::Pair(1, number),
        Any::Struct { reading: reading(number) },
        Any::List(vec![(1, 0.0), (2, number)]),
        Any::Map(map()),
        Any::Flat(Flat { reading: reading(0.0), more: map() }),
        Any::Either(Either::Number(number)),
    ]
}

#[test]
fn nan_and_infinity_are_refused_at_write_wherever_they_are() {
    let buffer =
        Buffer::with_upload(BufferOptions::default(), async |_: UploadBatch<Any>| UploadResult::Delivered);
    let buffer = buffer.unwrap();
    for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        for item in shapes(number) {
            let shape = format!("{item:?}");
            let failed = buffer.write(item).expect_err(&shape);
            assert!(
                matches!(failed.error(), Error::NotFinite { value, .. } if value.to_string() == number.to_string()),
                "{shape}: {failed}"
            );
            assert_eq!(format!("{:?}", failed.into_item()), shape, "it comes back");
        }
    }
    assert_eq!(buffer.stats().unwrap().journal.written, 0);
}

#[test]
fn what_is_null_by_right_and_every_finite_number_is_taken() {
    let shapes = || {
        let mut shapes = shapes(1.5);
        shapes.extend([Any::Nothing, Any::Maybe(None), Any::Either(Either::Text("NaN".into()))]);
        shapes
    };
    assert_eq!(uploaded(shapes()), shapes());
    assert_eq!(uploaded(vec![(), ()]), [(), ()]);
    assert_eq!(uploaded(vec![Some(None), Some(Some(1))]), [None, Some(Some(1))], "as documented");
}

#[test]
fn the_error_names_the_number_and_the_fields_that_lead_to_it() {
    let buffer = Buffer::with_sink(BufferOptions::default(), Never).unwrap();
    let failed = buffer.write(Any::Struct { reading: reading(f64::NAN) }).unwrap_err();
    assert!(failed.to_string().contains("NaN in `reading.celsius`"), "{failed}");
    let failed = buffer.write(Any::Bare(f64::NEG_INFINITY)).unwrap_err();
    assert!(failed.to_string().contains("-inf"), "{failed}");
    let mut keys = HashMap::new();
    keys.insert(Key(f64::NAN), 1);
    let buffer = Buffer::with_sink(BufferOptions::default(), Never).unwrap();
    assert!(matches!(buffer.write(keys).unwrap_err().error(), Error::NotFinite { .. }));
}

#[test]
fn an_item_too_deep_to_be_read_back_is_refused_at_write() {
    #[derive(Debug, Serialize, Deserialize)]
    enum Deep {
        End,
        List(Vec<Deep>),
    }
    let nested = |levels: usize| (0..levels).fold(Deep::End, |inner, _| Deep::List(vec![inner]));
    let buffer =
        Buffer::with_upload(BufferOptions::default(), async |_: UploadBatch<Deep>| UploadResult::Delivered);
    let buffer = buffer.unwrap();
    assert!(matches!(buffer.write(nested(100)).unwrap_err().error(), Error::Invalid(_)));
    let most = (1..100).rev().map(nested).find_map(|item| buffer.write(item).ok());
    assert!(most.is_some());
    assert_eq!(buffer.connectivity_restored().wait().unwrap().delivered, 1, "what is taken can be read");
}

/// A sink that is not called.
struct Never;

impl crate::Sink for Never {
    fn send(&mut self, _: &crate::Batch, _: u32) -> crate::Outcome {
        unreachable!()
    }
}
