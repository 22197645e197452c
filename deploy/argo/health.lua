-- Health of a PciZone for Argo CD.
--
-- "Healthy" means that this generation is in place. A finding never degrades an application: it shows in the
-- message. "Degraded" means that the zone cannot go on by itself; the message says what to do.
-- Only the base library is used, because Argo CD runs custom checks without the others.

local function progressing(message)
  return { status = "Progressing", message = message }
end

local condition = {}
if obj.status ~= nil and obj.status.conditions ~= nil then
  for _, c in ipairs(obj.status.conditions) do
    condition[c.type] = c
  end
end

local function is(kind, status)
  return condition[kind] ~= nil and condition[kind].status == status
end

local function message(kind)
  return condition[kind].message or ""
end

if obj.metadata.deletionTimestamp ~= nil then
  if not is("Stalled", "True") then
    return progressing("waiting for the protection to be removed")
  end
  if condition.Stalled.reason == "ChangeNotConfirmed" then
    return progressing("waiting for the deletion to be confirmed: " .. message("Stalled"))
  end
  return progressing("the deletion cannot go on: " .. message("Stalled"))
end

if obj.status == nil or obj.status.observedGeneration ~= obj.metadata.generation then
  return progressing("waiting for the operator to see this generation")
end

if is("Stalled", "True") then
  return { status = "Degraded", message = message("Stalled") }
end

if is("Reconciling", "True") then
  return progressing(message("Reconciling"))
end

if condition.Ready == nil then
  return progressing("waiting for the condition Ready")
end

if not is("Ready", "True") then
  return progressing(message("Ready"))
end

if condition.Compliant ~= nil and not is("Compliant", "True") then
  return { status = "Healthy", message = message("Compliant") }
end

return { status = "Healthy", message = message("Ready") }
