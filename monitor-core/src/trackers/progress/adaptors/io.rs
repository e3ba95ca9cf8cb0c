//! Readers and writers.

use std::io::{self, BufRead, IoSlice, IoSliceMut, Read, Seek, SeekFrom, Write};

use super::super::Progress;

/// A reader or writer whose bytes are counted: [`Progress::wrap_read`], [`Progress::wrap_write`].
///
/// It reads, buffers, seeks and writes as what is inside does. A byte counts when it was transferred: one that is read
/// twice, after a seek, counts twice, and one that a buffer has read ahead when it is consumed.
#[derive(Debug)]
pub struct ProgressIo<T> {
    inner: T,
    progress: Progress,
}

/// # Readers and writers
impl Progress {
    /// A reader that counts the bytes that are read.
    ///
    /// ```
    /// use monitor_core::Monitor;
    /// use std::io::Read;
    ///
    /// let local = Monitor::builder().build()?;
    /// let source = &b"to be or not"[..];
    /// let job = local.progress("read").total_bytes(source.len() as u64).start();
    /// let mut text = String::new();
    /// job.wrap_read(source).read_to_string(&mut text)?;
    /// assert_eq!((job.stats().bytes, job.stats().fraction()), (12, Some(1.0)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn wrap_read<R: Read>(&self, reader: R) -> ProgressIo<R> {
        ProgressIo { inner: reader, progress: self.clone() }
    }

    /// A writer that counts the bytes that are written.
    ///
    /// ```
    /// use monitor_core::Monitor;
    /// use std::io::Write;
    ///
    /// let local = Monitor::builder().build()?;
    /// let job = local.progress("write").start();
    /// let mut out = job.wrap_write(Vec::new());
    /// out.write_all(b"to be or not")?;
    /// assert_eq!(job.stats().bytes, 12);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn wrap_write<W: Write>(&self, writer: W) -> ProgressIo<W> {
        ProgressIo { inner: writer, progress: self.clone() }
    }
}

impl<T> ProgressIo<T> {
    /// What is inside.
    pub fn get_ref(&self) -> &T {
        &self.inner
    }

    /// What is inside. What is read from it or written to it directly does not count.
    pub fn get_mut(&mut self) -> &mut T {
        &mut self.inner
    }

    /// Gives back what is inside.
    pub fn into_inner(self) -> T {
        self.inner
    }

    fn counted(&self, result: io::Result<usize>) -> io::Result<usize> {
        if let Ok(bytes @ 1..) = result {
            self.progress.add_bytes(bytes as u64);
        }
        result
    }
}

impl<R: Read> Read for ProgressIo<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let result = self.inner.read(buf);
        self.counted(result)
    }

    fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        let result = self.inner.read_vectored(bufs);
        self.counted(result)
    }

    // What came before an error counts, too.
    fn read_to_end(&mut self, buf: &mut Vec<u8>) -> io::Result<usize> {
        let before = buf.len();
        let result = self.inner.read_to_end(buf);
        let _ = self.counted(Ok(buf.len().saturating_sub(before)));
        result
    }
}

impl<R: BufRead> BufRead for ProgressIo<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.inner.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.inner.consume(amount);
        self.progress.add_bytes(amount as u64);
    }
}

impl<W: Write> Write for ProgressIo<W> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let result = self.inner.write(buf);
        self.counted(result)
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        let result = self.inner.write_vectored(bufs);
        self.counted(result)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<T: Seek> Seek for ProgressIo<T> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.inner.seek(to)
    }

    fn stream_position(&mut self) -> io::Result<u64> {
        self.inner.stream_position()
    }

    fn seek_relative(&mut self, by: i64) -> io::Result<()> {
        self.inner.seek_relative(by)
    }
}
