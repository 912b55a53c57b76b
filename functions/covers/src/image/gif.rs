//! GIF (CompuServe, GIF89a).

mod lzw;

use std::{io::Cursor, ops::Range};

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

/// A color table of the copy: where it is, and which of its colors a frame uses.
struct Colors {
    place: Range<usize>,
    used: [bool; 256],
}

impl Colors {
    /// Copies a color table.
    fn read(reader: &mut Reader<'_>, out: &mut Vec<u8>, flags: u8) -> Result<Self, Refused> {
        let start = out.len();
        out.extend(reader.take(color_table(flags))?);
        Ok(Self {
            place: start..out.len(),
            used: [false; 256],
        })
    }

    /// Overwrites the colors that no frame uses: they may be anything.
    fn blank(&self, out: &mut [u8]) -> Result<(), Refused> {
        let colors = out.get_mut(self.place.clone()).ok_or(BROKEN)?;
        for (color, used) in colors.as_chunks_mut::<3>().0.iter_mut().zip(self.used) {
            if !used {
                *color = [0; 3];
            }
        }
        Ok(())
    }
}

/// Copies the frames, how they are shown and how often. Leaves out comments, texts, the data of other applications, and what is
/// behind the last pixel of a frame.
pub(super) fn strip(file: &[u8]) -> Result<Stripped, Refused> {
    let mut reader = Reader::new(file);
    let mut out = Vec::with_capacity(file.len());
    let head = reader.take(HEAD)?;
    let [.., w1, w2, h1, h2, flags, background, _] = *head else {
        return Err(BROKEN);
    };
    out.extend(head);
    // The shape of a pixel, which no browser heeds.
    *out.last_mut().ok_or(BROKEN)? = 0;
    let mut global = Colors::read(&mut reader, &mut out, flags)?;
    if let Some(background) = global.used.get_mut(usize::from(background)) {
        *background = true;
    }
    let (mut frames, mut pixels) = (0_u64, 0_u64);
    let (mut control, mut has_loops) = (None, false);
    loop {
        match reader.u8()? {
            TRAILER => break,
            EXTENSION => match extension(&mut reader)? {
                Extension::Control(data) => control = Some(data),
                Extension::Loops(data) if !has_loops => {
                    out.extend(data);
                    has_loops = true;
                }
                Extension::Loops(_) | Extension::Other => {}
            },
            IMAGE => {
                let descriptor = reader.take(9)?;
                let [.., fw1, fw2, fh1, fh2, flags] = *descriptor else {
                    return Err(BROKEN);
                };
                let of_frame =
                    u64::from(u16::from_le_bytes([fw1, fw2])) * u64::from(u16::from_le_bytes([fh1, fh2]));
                frames += 1;
                pixels += of_frame;
                match of_frame {
                    0 => return Err(BROKEN),
                    1..=MAX_PIXELS if pixels <= MAX_FRAME_PIXELS => {}
                    1..=MAX_PIXELS => return Err(TOO_LONG),
                    _ => return Err(TOO_MANY_PIXELS),
                }
                out.extend(control.take().unwrap_or_default());
                out.push(IMAGE);
                out.extend(descriptor);
                let mut local = Colors::read(&mut reader, &mut out, flags)?;
                let code_size = reader.u8()?;
                let colors = if local.place.is_empty() {
                    &mut global
                } else {
                    &mut local
                };
                let codes = lzw::image(&blocks(&mut reader)?, code_size, of_frame, &mut colors.used)?;
                out.push(code_size);
                for block in codes.chunks(255) {
                    out.push(block.len() as u8);
                    out.extend(block);
                }
                out.push(0);
                local.blank(&mut out)?;
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
    global.blank(&mut out)?;
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

/// An extension, as it is written into the copy.
enum Extension {
    Control(Vec<u8>),
    Loops(Vec<u8>),
    Other,
}

fn extension(reader: &mut Reader<'_>) -> Result<Extension, Refused> {
    let label = reader.u8()?;
    if label == CONTROL {
        // One block of four bytes.
        let length = reader.u8()?;
        let data = reader.take(length.into())?;
        let data = data.first_chunk::<4>().filter(|_| length == 4).ok_or(BROKEN)?;
        blocks(reader)?;
        return Ok(Extension::Control(
            [&[EXTENSION, CONTROL, 4][..], data, &[0]].concat(),
        ));
    }
    let length = reader.u8()?;
    let name = reader.take(length.into())?;
    // Blocks end with an empty one.
    let data = if length == 0 { Vec::new() } else { blocks(reader)? };
    Ok(match data.get(..3) {
        // One block has three bytes: 1, and the number of repetitions.
        Some(count @ [1, _, _]) if label == APPLICATION && LOOPS.contains(&name) => {
            Extension::Loops([&[EXTENSION, APPLICATION, length][..], name, &[3], count, &[0]].concat())
        }
        _ => Extension::Other,
    })
}

/// Reads the data of blocks, each with its length, up to the empty one.
fn blocks(reader: &mut Reader<'_>) -> Result<Vec<u8>, Refused> {
    let mut data = Vec::new();
    loop {
        let length = reader.u8()?;
        if length == 0 {
            return Ok(data);
        }
        data.extend(reader.take(length.into())?);
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
