// CommonJS that uses every wrapper.
const everyDoor = require('./every-door.cjs');

void everyDoor({
  producer: require('@meterhouse/producer'),
  amqplib: require('@meterhouse/producer/amqplib'),
  bullmq: require('@meterhouse/producer/bullmq'),
  express: require('@meterhouse/producer/express'),
  fastify: require('@meterhouse/producer/fastify'),
  gauge: require('@meterhouse/producer/gauge'),
  kafkajs: require('@meterhouse/producer/kafkajs'),
  llm: require('@meterhouse/producer/llm'),
  metered: require('@meterhouse/producer/metered'),
  nodeHttp: require('@meterhouse/producer/node-http'),
  pg: require('@meterhouse/producer/pg'),
});
