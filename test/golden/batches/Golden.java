// SPDX-License-Identifier: Apache-2.0
//
// Makes the golden batches with Kafka's own classes, and says in text what
// Kafka reads in every *.batch of the directory, also in those of others.
//
//	java -cp 'kafka-clients-4.2.0.jar:lz4-java.jar:snappy-java.jar:zstd-jni.jar' Golden.java DIR
import java.nio.ByteBuffer;
import java.nio.file.*;
import java.util.*;
import java.util.zip.CRC32C;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.record.*;

public class Golden {
	static final long T = 1700000000000L;
	static Path dir;

	static MemoryRecordsBuilder begin(String codec, TimestampType type,
			long pid, int epoch, int seq, boolean txn, boolean control) {
		return new MemoryRecordsBuilder(ByteBuffer.allocate(1 << 20),
				(byte) 2, Compression.of(codec).build(), type, 0L, T + 77,
				pid, (short) epoch, seq, txn, control, -1, 1 << 20);
	}

	static void end(String name, MemoryRecordsBuilder b) throws Exception {
		ByteBuffer buffer = b.build().buffer();
		byte[] bytes = new byte[buffer.remaining()];
		buffer.get(bytes);
		Files.write(dir.resolve(name + ".batch"), bytes);
	}

	static void small(String name, String codec) throws Exception {
		MemoryRecordsBuilder b = begin(codec, TimestampType.CREATE_TIME,
				-1, -1, -1, false, false);
		b.append(T, "key".getBytes(), "value".getBytes(), new Header[0]);
		b.append(T + 5, null, "no key".getBytes(), new Header[0]);
		b.append(T - 3, "no value".getBytes(), null, new Header[] {
			new RecordHeader("a", "1".getBytes()),
			new RecordHeader("", null),
			new RecordHeader("a", new byte[0]) });
		b.append(T + 1, new byte[0], new byte[0], new Header[0]);
		end(name, b);
	}

	static void large(String name, String codec) throws Exception {
		MemoryRecordsBuilder b = begin(codec, TimestampType.CREATE_TIME,
				4711, 3, 100, false, false);
		for (int i = 0; i < 150; i++)
			b.append(T + i, ("k" + i).getBytes(),
				("line " + i + " ").repeat(150).getBytes(), new Header[0]);
		end(name, b);
	}

	static String sum(ByteBuffer v) {
		if (v == null)
			return "null";
		CRC32C crc = new CRC32C();
		int n = v.remaining();
		crc.update(v.duplicate());
		return n + "/" + String.format("%08x", crc.getValue());
	}

	static String dump(Path file) throws Exception {
		StringBuilder out = new StringBuilder();
		MemoryRecords all = MemoryRecords.readableRecords(
				ByteBuffer.wrap(Files.readAllBytes(file)));
		for (MutableRecordBatch b : all.batches()) {
			DefaultRecordBatch d = (DefaultRecordBatch) b;
			d.ensureValid();
			out.append(String.format("batch offset=%d size=%d codec=%s"
				+ " log-append=%b txn=%b control=%b last=%d base-time=%d"
				+ " max-time=%d pid=%d epoch=%d seq=%d count=%d%n",
				d.baseOffset(), d.sizeInBytes(), d.compressionType().name,
				d.timestampType() == TimestampType.LOG_APPEND_TIME,
				d.isTransactional(), d.isControlBatch(), d.lastOffset(),
				d.baseTimestamp(), d.maxTimestamp(), d.producerId(),
				d.producerEpoch(), d.baseSequence(), d.countOrNull()));
			for (org.apache.kafka.common.record.Record r : b) {
				out.append(String.format("%d %d key=%s value=%s",
					r.offset(), r.timestamp(), sum(r.key()), sum(r.value())));
				for (Header h : r.headers())
					out.append(" '").append(h.key()).append("'=").append(
						sum(h.value() == null ? null : ByteBuffer.wrap(h.value())));
				out.append("\n");
			}
		}
		return out.toString();
	}

	public static void main(String[] args) throws Exception {
		dir = Paths.get(args[0]);
		for (String codec : List.of("none", "gzip", "snappy", "lz4", "zstd")) {
			small("java-" + codec, codec);
			if (!codec.equals("none"))
				large("java-" + codec + "-large", codec);
		}
		MemoryRecordsBuilder b = begin("none", TimestampType.LOG_APPEND_TIME,
				-1, -1, -1, false, false);
		b.append(T, "k".getBytes(), "v".getBytes(), new Header[0]);
		end("java-append-time", b);
		b = begin("none", TimestampType.CREATE_TIME, 9000, 7, 12, true, false);
		b.append(T, null, "in a transaction".getBytes(), new Header[0]);
		end("java-txn", b);
		b = begin("none", TimestampType.CREATE_TIME, 9000, 7, -1, true, true);
		b.appendEndTxnMarker(T, new EndTransactionMarker(ControlRecordType.COMMIT, 5));
		end("java-commit", b);
		try (DirectoryStream<Path> files = Files.newDirectoryStream(dir, "*.batch")) {
			for (Path f : files) {
				String name = f.getFileName().toString().replace(".batch", ".txt");
				Files.writeString(dir.resolve(name), dump(f));
			}
		}
	}
}
