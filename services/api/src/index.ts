export { createApi, type ApiParts } from './api.ts';
export { ROLES, type Principal, type Role } from './access/roles.ts';
