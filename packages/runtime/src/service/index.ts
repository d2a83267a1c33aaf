export { describeVariables, type DescribedVariable } from '../config-variables.ts';
export { Health, type Liveness, type Readiness, type Trouble } from '../health/health.ts';
export { serveHealth, type HealthServer, type HealthServerOptions } from '../health/health-server.ts';
export { ProgressWatch, type PartProgress } from '../health/progress-watch.ts';
export { serviceMain, type ServiceDefinition, type ServiceTools } from './service-main.ts';
export { StartUp } from './start-up.ts';
