use image::{DynamicImage, GenericImageView as _, RgbImage};

use super::*;

/// A picture whose left half is red and whose right half is blue.
fn picture(width: u32, height: u32) -> DynamicImage {
    let color = |x, _| {
        if x < width / 2 {
            [220, 20, 20]
        } else {
            [20, 20, 220]
        }
    };
    DynamicImage::ImageRgb8(RgbImage::from_fn(width, height, |x, y| image::Rgb(color(x, y))))
}

fn file(format: ImageFormat, image: &DynamicImage) -> Vec<u8> {
    if format == ImageFormat::Gif {
        let mut out = std::io::Cursor::new(Vec::new());
        let rgba = DynamicImage::ImageRgba8(image.to_rgba8());
        rgba.write_to(&mut out, image::ImageFormat::Gif).unwrap();
        return out.into_inner();
    }
    thumbnail::encode(image, format, 90, None).unwrap()
}

const DECODED: [ImageFormat; 4] = [
    ImageFormat::Jpeg,
    ImageFormat::Png,
    ImageFormat::Webp,
    ImageFormat::Gif,
];

#[test]
fn an_image_of_each_type_is_accepted_with_a_thumbnail_that_fits() {
    for format in DECODED {
        let cover = process(&file(format, &picture(800, 600))).unwrap();
        assert_eq!(cover.format, format);
        assert_eq!(recognize(&cover.image), Some(format));
        let thumbnail = cover.thumbnail.unwrap();
        assert_eq!(recognize(&thumbnail), Some(ImageFormat::Jpeg));
        let thumbnail = image::load_from_memory(&thumbnail).unwrap();
        assert_eq!((thumbnail.width(), thumbnail.height()), (342, 257), "{format:?}");
    }
}

#[test]
fn data_after_the_end_and_every_truncation_are_refused() {
    for format in DECODED {
        let whole = file(format, &picture(40, 30));
        let longer = [&whole[..], b"x"].concat();
        assert_eq!(process(&longer).unwrap_err(), DATA_AFTER_END, "{format:?}");
        for length in 0..whole.len() {
            assert!(process(&whole[..length]).is_err(), "{format:?}, {length} bytes");
        }
    }
}

#[test]
fn what_is_no_image_is_unsupported() {
    for other in [
        &b"<svg xmlns='http://www.w3.org/2000/svg'/>"[..],
        b"BM",
        b"%PDF-1.7",
        b"\0",
        b"RIFF1234WAVE",
    ] {
        assert_eq!(process(other).unwrap_err(), Refused::Unsupported);
    }
    assert_eq!(process(b"").unwrap_err(), EMPTY);
    assert_eq!(
        process(&vec![0; MAX_COVER_BYTES + 1]).unwrap_err(),
        Refused::TooLarge
    );
}

#[test]
fn a_jpeg_with_an_orientation_is_turned_and_has_no_metadata() {
    let plain = file(ImageFormat::Jpeg, &picture(64, 32));
    // Orientation 6: to be turned by 90 degrees clockwise.
    let exif = b"\xff\xe1\x00\x22Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
    let comment = b"\xff\xfe\x00\x08secret";
    let tagged = [&plain[..2], exif, comment, &plain[2..]].concat();
    let cover = process(&tagged).unwrap();
    let served = image::load_from_memory(&cover.image).unwrap();
    assert_eq!((served.width(), served.height()), (32, 64));
    let top = served.get_pixel(16, 8);
    assert!(top[0] > 150 && top[2] < 100, "{top:?}");
    for name in [&b"Exif"[..], b"secret"] {
        assert!(!cover.image.windows(name.len()).any(|window| window == name));
    }
    let without = [&plain[..2], comment, &plain[2..]].concat();
    let cover = process(&without).unwrap();
    assert!(cover.image.len() < without.len());
}

#[test]
fn an_image_that_says_it_is_large_is_refused_before_it_is_decoded() {
    let mut png = file(ImageFormat::Png, &picture(10, 10));
    png.splice(16..24, [0, 0, 0x20, 0, 0, 0, 0x20, 0]);
    assert_eq!(process(&png).unwrap_err(), TOO_MANY_PIXELS);
    let mut gif = file(ImageFormat::Gif, &picture(10, 10));
    gif.splice(6..10, [0xff, 0xff, 0xff, 0xff]);
    assert_eq!(process(&gif).unwrap_err(), TOO_MANY_PIXELS);
}
