// An ES module that uses every wrapper.
import * as producer from '@meterhouse/producer';
import * as amqplib from '@meterhouse/producer/amqplib';
import * as bullmq from '@meterhouse/producer/bullmq';
import * as express from '@meterhouse/producer/express';
import * as fastify from '@meterhouse/producer/fastify';
import * as gauge from '@meterhouse/producer/gauge';
import * as kafkajs from '@meterhouse/producer/kafkajs';
import * as llm from '@meterhouse/producer/llm';
import * as metered from '@meterhouse/producer/metered';
import * as nodeHttp from '@meterhouse/producer/node-http';
import * as pg from '@meterhouse/producer/pg';
import everyDoor from './every-door.cjs';

await everyDoor({ producer, amqplib, bullmq, express, fastify, gauge, kafkajs, llm, metered, nodeHttp, pg });
