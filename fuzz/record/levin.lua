-- Cuts Levin into messages, for tshark, which does not know the protocol: `tshark -X lua_script:levin.lua`.
local levin = Proto("levin", "Levin")
local command = ProtoField.uint32("levin.command", "Command")
levin.fields = { command }

local HEADER = 33

local function length(buffer, _, offset)
  return HEADER + buffer(offset + 8, 8):le_uint64():tonumber()
end

local function message(buffer, _, tree)
  tree:add(levin, buffer()):add_le(command, buffer(17, 4))
  return buffer:len()
end

function levin.dissector(buffer, packet, tree)
  dissect_tcp_pdus(buffer, tree, HEADER, length, message)
  return buffer:len()
end

for _, port in ipairs({ 28180, 28280, 28380 }) do
  DissectorTable.get("tcp.port"):add(port, levin)
end
