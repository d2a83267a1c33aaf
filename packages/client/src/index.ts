export { ApiError, ApiUnreachableError, type FieldError } from './api-error.ts';
export {
  createClient,
  type Answer,
  type Answered,
  type ClientOptions,
  type MeterhouseClient,
} from './client.ts';
export type { components, paths } from './openapi.generated.ts';
export { itemsOf, pagesOf } from './pages.ts';
