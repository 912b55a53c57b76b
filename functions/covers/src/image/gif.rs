//! GIF (CompuServe, GIF89a).

use std::io::Cursor;

use ::gif::{ColorOutput, DecodeOptions, MemoryLimit};
use image::{DynamicImage, Rgba, RgbaImage, metadata::Orientation};

use super::{
    BROKEN, DATA_AFTER_END, Decoded, MAX_FRAME_PIXELS, MAX_PIXELS, Refused, Stripped, TOO_LONG,
    TOO_MANY_PIXELS, reader::Reader,
};

/// The header and the logical screen descriptor.
const HEAD: usize = 13;

const EXTENSION: u8 = 0x21;
const IMAGE: u8 = 0x2c;
const TRAILER: u8 = 0x3b;

/// Extensions: how a frame is shown, and what an application adds.
const CONTROL: u8 = 0xf9;
const APPLICATION: u8 = 0xff;

/// The applications whose data says how often an animation is repeated.
const LOOPS: [&[u8]; 2] = [b"NETSCAPE2.0", b"ANIMEXTS1.0"];

/// Copies the frames, how they are shown and how often. Leaves out comments, texts, and the data of other applications.
pub(super) fn strip(file: &[u8]) -> Result<Stripped, Refused> {
    let mut reader = Reader::new(file);
    let mut out = Vec::with_capacity(file.len());
    let head = reader.take(HEAD)?;
    let [.., w1, w2, h1, h2, flags, _, _] = *head else {
        return Err(BROKEN);
    };
    out.extend(head);
    out.extend(reader.take(color_table(flags))?);
    let (mut frames, mut pixels) = (0_u64, 0_u64);
    loop {
        match reader.u8()? {
            TRAILER => break,
            EXTENSION => extension(&mut reader, &mut out)?,
            IMAGE => {
                let descriptor = reader.take(9)?;
                let [.., fw1, fw2, fh1, fh2, flags] = *descriptor else {
                    return Err(BROKEN);
                };
                let of_frame =
                    u64::from(u16::from_le_bytes([fw1, fw2])) * u64::from(u16::from_le_bytes([fh1, fh2]));
                if of_frame > MAX_PIXELS {
                    return Err(TOO_MANY_PIXELS);
                }
                frames += 1;
                pixels += of_frame;
                out.push(IMAGE);
                out.extend(descriptor);
                out.extend(reader.take(color_table(flags))?);
                // The size of the first codes.
                out.push(reader.u8()?);
                blocks(&mut reader, &mut out)?;
            }
            _ => return Err(BROKEN),
        }
    }
    if !reader.is_empty() {
        return Err(DATA_AFTER_END);
    }
    if frames == 0 {
        return Err(BROKEN);
    }
    if pixels > MAX_FRAME_PIXELS {
        return Err(TOO_LONG);
    }
    out.push(TRAILER);
    Ok(Stripped {
        bytes: out,
        width: u16::from_le_bytes([w1, w2]).into(),
        height: u16::from_le_bytes([h1, h2]).into(),
        orientation: Orientation::NoTransforms,
        icc_profile: None,
        is_animated: frames > 1,
    })
}

/// Returns the length of the color table that these flags announce.
fn color_table(flags: u8) -> usize {
    if flags & 0x80 == 0 {
        0
    } else {
        3 << ((flags & 0x07) + 1)
    }
}

fn extension(reader: &mut Reader<'_>, out: &mut Vec<u8>) -> Result<(), Refused> {
    let label = reader.u8()?;
    let mut data = Vec::new();
    blocks(reader, &mut data)?;
    match label {
        CONTROL => {
            // One block of four bytes.
            let control = data
                .get(..5)
                .filter(|control| control.first() == Some(&4))
                .ok_or(BROKEN)?;
            out.extend([EXTENSION, CONTROL]);
            out.extend(control);
            out.push(0);
        }
        APPLICATION if data.get(1..12).is_some_and(|name| LOOPS.contains(&name)) => {
            // Of the blocks after the name, one has three bytes: 1, and the number of repetitions.
            if let Some(count @ [3, 1, _, _]) = data.get(12..16) {
                out.extend([EXTENSION, APPLICATION]);
                out.extend(data.get(..12).unwrap_or_default());
                out.extend(count);
                out.push(0);
            }
        }
        _ => {}
    }
    Ok(())
}

/// Copies blocks, each with its length, up to the empty one.
fn blocks(reader: &mut Reader<'_>, out: &mut Vec<u8>) -> Result<(), Refused> {
    loop {
        let length = reader.u8()?;
        out.push(length);
        if length == 0 {
            return Ok(());
        }
        out.extend(reader.take(length.into())?);
    }
}

/// Decodes every frame, and returns the first one on the screen.
pub(super) fn decode(stripped: &Stripped) -> Result<Decoded, Refused> {
    let mut options = DecodeOptions::new();
    options.set_color_output(ColorOutput::RGBA);
    options.set_memory_limit(MemoryLimit::Unlimited);
    let mut decoder = options
        .read_info(Cursor::new(&stripped.bytes))
        .map_err(|_| BROKEN)?;
    let mut screen = RgbaImage::new(stripped.width, stripped.height);
    let mut is_first = true;
    while let Some(frame) = decoder.read_next_frame().map_err(|_| BROKEN)? {
        if is_first {
            is_first = false;
            let (left, top) = (u32::from(frame.left), u32::from(frame.top));
            let row = usize::from(frame.width) * 4;
            for (y, row) in (top..).zip(frame.buffer.chunks_exact(row.max(4))) {
                for (x, pixel) in (left..).zip(row.as_chunks::<4>().0) {
                    if let Some(on_screen) = screen.get_pixel_mut_checked(x, y) {
                        *on_screen = Rgba(*pixel);
                    }
                }
            }
        }
    }
    if is_first {
        return Err(BROKEN);
    }
    Ok(Decoded {
        image: DynamicImage::ImageRgba8(screen),
        icc_profile: None,
    })
}
