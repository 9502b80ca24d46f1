// The peer of the landing benchmark: Kafka to the same columns in Parquet, by dt and hr. Run from
// its source by `java`. Prints BEGIN when the session stands and END when all is written, and then
// waits for its input to close, so that its CPU and memory can be read in between.
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.streaming.DataStreamReader;
import org.apache.spark.sql.streaming.Trigger;

public class SparkLanding {
  // Of the three forms of posts that the generator writes, what the columns need.
  static final String POST =
      "id_str STRING, created_at STRING, full_text STRING, text STRING, lang STRING, "
          + "in_reply_to_status_id_str STRING, quoted_status_id_str STRING, "
          + "retweeted_status STRUCT<id_str: STRING>, retweet_count BIGINT, reply_count BIGINT, "
          + "favorite_count BIGINT, quote_count BIGINT, possibly_sensitive BOOLEAN, "
          + "user STRUCT<id_str: STRING, name: STRING, screen_name: STRING, followers_count: BIGINT>, "
          + "entities STRUCT<hashtags: ARRAY<STRUCT<text: STRING>>>, "
          + "data STRUCT<id: STRING, text: STRING, author_id: STRING, created_at: STRING, lang: STRING, "
          + "possibly_sensitive: BOOLEAN, public_metrics: STRUCT<retweet_count: BIGINT, "
          + "reply_count: BIGINT, like_count: BIGINT, quote_count: BIGINT>, "
          + "entities: STRUCT<hashtags: ARRAY<STRUCT<tag: STRING>>>, "
          + "referenced_tweets: ARRAY<STRUCT<type: STRING, id: STRING>>>, "
          + "includes STRUCT<users: ARRAY<STRUCT<id: STRING, username: STRING, name: STRING, "
          + "public_metrics: STRUCT<followers_count: BIGINT>>>>, "
          + "payload STRUCT<did: STRING, rkey: STRING, time: STRING, record: STRUCT<createdAt: STRING, "
          + "text: STRING, langs: ARRAY<STRING>, tags: ARRAY<STRING>, "
          + "reply: STRUCT<parent: STRUCT<uri: STRING>>, embed: STRUCT<record: STRUCT<uri: STRING>>>>";

  static final String[] COLUMNS = {
    "topic AS kafka_topic",
    "partition AS kafka_partition",
    "offset AS kafka_offset",
    "timestamp AS kafka_timestamp",
    "coalesce(j.data.id, j.id_str, concat(j.payload.did, '/', j.payload.rkey)) AS id",
    "'upsert' AS op",
    "coalesce(created, timestamp) AS event_time",
    "created AS created_at",
    "cast(filter(headers, h -> h.key = 'hybridge-source')[0].value AS STRING) AS source",
    "cast(filter(headers, h -> h.key = 'hybridge-schema')[0].value AS STRING) AS schema_name",
    "coalesce(j.data.author_id, j.user.id_str, j.payload.did) AS author_id",
    "coalesce(j.includes.users[0].username, j.user.screen_name) AS author_handle",
    "coalesce(j.includes.users[0].name, j.user.name) AS author_name",
    "coalesce(j.includes.users[0].public_metrics.followers_count, j.user.followers_count)"
        + " AS author_followers",
    "coalesce(j.data.text, j.full_text, j.text, j.payload.record.text) AS text",
    "coalesce(j.data.lang, j.lang, j.payload.record.langs[0]) AS lang",
    "to_json(coalesce(transform(j.data.entities.hashtags, t -> t.tag),"
        + " transform(j.entities.hashtags, t -> t.text), j.payload.record.tags, array())) AS hashtags",
    "coalesce(filter(j.data.referenced_tweets, r -> r.type = 'replied_to')[0].id,"
        + " j.in_reply_to_status_id_str, j.payload.record.reply.parent.uri) AS reply_to_id",
    "coalesce(filter(j.data.referenced_tweets, r -> r.type = 'retweeted')[0].id,"
        + " j.retweeted_status.id_str) AS repost_of_id",
    "coalesce(filter(j.data.referenced_tweets, r -> r.type = 'quoted')[0].id,"
        + " j.quoted_status_id_str, j.payload.record.embed.record.uri) AS quote_of_id",
    "coalesce(j.data.public_metrics.retweet_count, j.retweet_count) AS repost_count",
    "coalesce(j.data.public_metrics.reply_count, j.reply_count) AS reply_count",
    "coalesce(j.data.public_metrics.like_count, j.favorite_count) AS like_count",
    "coalesce(j.data.public_metrics.quote_count, j.quote_count) AS quote_count",
    "coalesce(j.data.possibly_sensitive, j.possibly_sensitive) AS possibly_sensitive",
    "cast(filter(headers, h -> h.key = 'traceparent')[0].value AS STRING) AS traceparent",
    "current_timestamp() AS landed_at",
    "md5(value) AS raw_md5",
    "unix_millis(timestamp) AS kafka_timestamp_ms",
    "key AS kafka_key",
    "to_json(headers) AS kafka_headers",
    "raw",
    "date_format(coalesce(created, timestamp), 'yyyy-MM-dd') AS dt",
    "date_format(coalesce(created, timestamp), 'HH') AS hr",
  };

  public static void main(String[] args) throws Exception {
    String bootstrap = args[0];
    String topic = args[1];
    String output = args[2];
    String form = args[3];
    String perTrigger = args[4];
    SparkSession spark =
        SparkSession.builder()
            .master("local[2]")
            .config("spark.ui.enabled", "false")
            .config("spark.sql.session.timeZone", "UTC")
            // As before Spark 4: an element that is not there is NULL.
            .config("spark.sql.ansi.enabled", "false")
            .config("spark.sql.shuffle.partitions", "2")
            .config("spark.sql.parquet.compression.codec", "zstd")
            .getOrCreate();
    spark.sparkContext().setLogLevel("WARN");
    System.out.println("BEGIN");
    DataStreamReader reader =
        spark
            .readStream()
            .format("kafka")
            .option("kafka.bootstrap.servers", bootstrap)
            .option("subscribe", topic)
            .option("startingOffsets", "earliest")
            .option("includeHeaders", "true");
    if (!perTrigger.equals("0")) reader = reader.option("maxOffsetsPerTrigger", perTrigger);
    Dataset<Row> records = reader.load();
    Dataset<Row> rows =
        form.equals("text")
            ? records.selectExpr("cast(value AS STRING) AS value")
            : records
                .selectExpr("*", "cast(value AS STRING) AS raw")
                .selectExpr("*", "from_json(raw, '" + POST + "') AS j")
                .selectExpr(
                    "*",
                    "coalesce(try_to_timestamp(j.data.created_at), try_to_timestamp("
                        + "substr(j.created_at, 5), 'MMM dd HH:mm:ss Z yyyy'), "
                        + "try_to_timestamp(j.payload.record.createdAt)) AS created")
                .selectExpr(COLUMNS);
    var writer =
        rows.writeStream()
            .option("checkpointLocation", output + "-checkpoint")
            .trigger(Trigger.AvailableNow());
    if (form.equals("text")) writer = writer.format("text").option("compression", "gzip");
    else writer = writer.format("parquet").partitionBy("dt", "hr");
    writer.start(output).awaitTermination();
    System.out.println("END");
    while (System.in.read() >= 0) {}
    spark.stop();
  }
}
