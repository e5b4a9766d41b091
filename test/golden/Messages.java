/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages: writes every message of raftmq's schema in every version, filled
 * with numbers from a fixed seed, by Apache Kafka's own encoder. Each message
 * is read back and written again by Kafka's class for it before it counts.
 *
 *	java -cp "$KAFKA_LIBS/*" Messages.java ../../src/wire/kafka.schema \
 *		>messages.bin
 *
 * messages.bin: int16 length and name, int16 version, int32 length and body,
 * again and again. Tagged fields never have their default here, because an
 * encoder is free to leave such a field out.
 */
import java.io.DataOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.protocol.Message;
import org.apache.kafka.common.protocol.ObjectSerializationCache;
import org.apache.kafka.common.protocol.types.ArrayOf;
import org.apache.kafka.common.protocol.types.BoundField;
import org.apache.kafka.common.protocol.types.CompactArrayOf;
import org.apache.kafka.common.protocol.types.Field;
import org.apache.kafka.common.protocol.types.Schema;
import org.apache.kafka.common.protocol.types.Struct;
import org.apache.kafka.common.protocol.types.TaggedFields;
import org.apache.kafka.common.protocol.types.Type;
import org.apache.kafka.common.record.MemoryRecords;

class Messages {
	static final int EACH = 2;
	static Random random = new Random(42);
	static Set<String> nullable; /* fields of the message that are {x}? */

	/* Kafka's schemas do not know that a struct may be null: a byte, -1 or
	 * 1, stands before it. */
	static class NullableStruct extends Type {
		final Schema schema;

		NullableStruct(Schema schema)
		{
			this.schema = schema;
		}
		public boolean isNullable()
		{
			return true;
		}
		public void write(ByteBuffer buffer, Object o)
		{
			buffer.put((byte)(o == null ? -1 : 1));
			if (o != null)
				schema.write(buffer, o);
		}
		public Object read(ByteBuffer buffer)
		{
			return buffer.get() < 0 ? null : schema.read(buffer);
		}
		public int sizeOf(Object o)
		{
			return 1 + (o == null ? 0 : schema.sizeOf(o));
		}
		public Object validate(Object o)
		{
			return o == null ? null : schema.validate(o);
		}
	}

	static Type complete(String name, Type t)
	{
		if (t instanceof Schema s)
			return nullable.contains(name) ?
				new NullableStruct(complete(s)) : complete(s);
		if (t.arrayElementType().isEmpty())
			return t;
		Type of = complete("", t.arrayElementType().get());

		if (t instanceof ArrayOf)
			return t.isNullable() ? ArrayOf.nullable(of) :
						new ArrayOf(of);
		return t.isNullable() ? CompactArrayOf.nullable(of) :
					new CompactArrayOf(of);
	}

	static Schema complete(Schema s)
	{
		Field[] f = new Field[s.numFields()];

		for (int i = 0; i < f.length; i++) {
			Field of = s.get(i).def;

			f[i] = of instanceof Field.TaggedFieldsSection ? of :
				new Field(of.name, complete(of.name, of.type));
		}
		return new Schema(f);
	}

	static String text()
	{
		String s = "";

		for (int n = 1 + random.nextInt(6); n > 0; n--)
			s += "abcdefgh-äß".charAt(random.nextInt(11));
		return s;
	}

	static ByteBuffer bytes()
	{
		byte[] b = new byte[1 + random.nextInt(9)];

		random.nextBytes(b);
		return ByteBuffer.wrap(b);
	}

	static Object list(Type of)
	{
		Object[] v = new Object[random.nextInt(4)];

		for (int i = 0; i < v.length; i++)
			v[i] = value(of);
		return v;
	}

	static Object tags(TaggedFields t)
	{
		TreeMap<Integer, Object> m = new TreeMap<>();

		t.fields().forEach((tag, field) -> {
			if (random.nextInt(3) > 0)
				m.put(tag, tagValue(field.type));
		});
		return m;
	}

	/* not the default: no empty list, no zero */
	static Object tagValue(Type t)
	{
		Object v;

		do
			v = value(t);
		while (v == null || v instanceof Object[] a && a.length == 0 ||
		       v instanceof Boolean b && !b ||
		       v instanceof Number n && n.longValue() == 0 ||
		       v instanceof Struct s && isPlain(s));
		return v;
	}

	static boolean isPlain(Struct s)
	{
		for (BoundField f : s.schema().fields())
			if (s.get(f) instanceof Number n && n.longValue() > 0)
				return false;
		return true;
	}

	static Object struct(Schema schema)
	{
		Struct s = new Struct(schema);

		for (BoundField f : schema.fields())
			s.set(f, value(f.def.type));
		return s;
	}

	static Object value(Type t)
	{
		/* of records the schema does not say in which versions */
		if (t.isNullable() && random.nextInt(4) == 0 &&
		    !t.toString().contains("RECORDS"))
			return null;
		if (t instanceof TaggedFields tagged)
			return tags(tagged);
		if (t instanceof NullableStruct n)
			return struct(n.schema);
		if (t instanceof Schema s)
			return struct(s);
		if (t.arrayElementType().isPresent())
			return list(t.arrayElementType().get());
		return scalar(t);
	}

	static Object scalar(Type t)
	{
		String name = t.toString();

		if (name.contains("RECORDS"))
			return MemoryRecords.readableRecords(bytes());
		if (name.contains("STRING"))
			return text();
		if (name.contains("BYTES"))
			return bytes();
		return switch (name) {
		case "BOOLEAN" -> random.nextBoolean();
		case "INT8" -> (byte)random.nextInt();
		case "INT16" -> (short)random.nextInt();
		case "UINT16" -> random.nextInt(65536);
		case "INT32" -> random.nextInt();
		case "UINT32" -> random.nextInt() & 0xffffffffL;
		case "INT64" -> random.nextLong();
		case "FLOAT64" -> random.nextDouble();
		case "UUID" -> new Uuid(random.nextLong(), random.nextLong());
		default -> throw new IllegalStateException("type " + name);
		};
	}

	static byte[] again(Class<?> type, byte[] in, short version)
		throws ReflectiveOperationException
	{
		Message m = (Message)type.getDeclaredConstructor().newInstance();
		ByteBuffer buffer = ByteBuffer.wrap(in);
		ObjectSerializationCache cache = new ObjectSerializationCache();
		ByteBufferAccessor out;

		m.read(new ByteBufferAccessor(buffer), version);
		if (buffer.hasRemaining())
			throw new IllegalStateException(type + " v" + version);
		out = new ByteBufferAccessor(
			ByteBuffer.allocate(m.size(cache, version)));
		m.write(out, cache, version);
		return out.buffer().array();
	}

	static void write(DataOutputStream out, String name, int version)
		throws ReflectiveOperationException, IOException
	{
		Class<?> type = Class.forName(
			"org.apache.kafka.common.message." + name +
			(name.matches(".*(Request|Response)") ? "Data" : ""));
		Schema schema = ((Schema[])type.getField("SCHEMAS")
					 .get(null))[version];
		Struct s = (Struct)struct(complete(schema));
		ByteBuffer buffer = ByteBuffer.allocate(s.sizeOf());
		byte[] title = name.getBytes(StandardCharsets.UTF_8);

		s.writeTo(buffer);
		if (!Arrays.equals(buffer.array(),
				again(type, buffer.array(), (short)version)))
			throw new IllegalStateException(name + " v" + version);
		out.writeShort(title.length);
		out.write(title);
		out.writeShort(version);
		out.writeInt(buffer.capacity());
		out.write(buffer.array());
	}

	static Set<String> nullableStructs(List<String> lines, int at)
	{
		Set<String> names = new HashSet<>();

		for (at++; at < lines.size(); at++) {
			String[] word = lines.get(at).trim().split(" ");

			if (word[0].equals("message"))
				break;
			if (word.length > 1 && word[1].matches("\\{.*\\}\\?.*"))
				names.add(word[0]);
		}
		return names;
	}

	public static void main(String[] args) throws Exception
	{
		DataOutputStream out = new DataOutputStream(System.out);
		List<String> lines = Files.readAllLines(Path.of(args[0]));

		for (int i = 0; i < lines.size(); i++) {
			String[] word = lines.get(i).split(" ");

			if (!word[0].equals("message"))
				continue;
			String[] range = word[5].split("-");

			nullable = nullableStructs(lines, i);
			for (int v = Integer.parseInt(range[0]);
			     v <= Integer.parseInt(range[1]); v++)
				for (int n = 0; n < EACH; n++)
					write(out, word[1], v);
		}
		out.flush();
	}
}
